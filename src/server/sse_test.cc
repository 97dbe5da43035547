#include "server/sse.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(SseEvent, IsDataAndAnEmptyLine) {
  EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
  EXPECT_EQ(sse_event("{}", "ping"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
}

TEST(SseEvent, ALineBreakInDataEndsNothing) {
  EXPECT_EQ(sse_event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
}

}  // namespace
}  // namespace sluice
