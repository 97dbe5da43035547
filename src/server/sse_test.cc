#include "server/sse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/sse_parser.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<SseEvent> events_of(std::string_view text, size_t first_piece_bytes) {
  SseParser parser(1000);
  std::vector<SseEvent> events = parser.push(text.substr(0, first_piece_bytes)).value();
  const std::vector<SseEvent> more = parser.push(text.substr(first_piece_bytes)).value();
  events.insert(events.end(), more.begin(), more.end());
  return events;
}

TEST(SseEvent, IsDataAndAnEmptyLine) {
  EXPECT_EQ(sse_event("{}"), "data: {}\n\n");
  EXPECT_EQ(sse_event("{}", "ping"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
}

TEST(SseEvent, ALineBreakInDataEndsNothing) {
  EXPECT_EQ(sse_event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
}

TEST(SseParser, ReadsTheSameEventsWhereverTheyAreCut) {
  const std::string text =
      "\xEF\xBB\xBF: a comment\r\n\r\nevent: start\r\ndata: {\"a\": 1}\r\n\r\n"
      "data:one\ndata:  two\ndata\n\nid: 7\nretry: 1\nevent: nothing\n\n"
      "data: x\rdata: y\r\rdata: the stream ends in this one\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_THAT(events_of(text, cut), ElementsAre(SseEvent{"start", "{\"a\": 1}"},
                                                  SseEvent{"", "one\n two\n"}, SseEvent{"", "x\ny"}))
        << "cut at " << cut;
  }
}

TEST(SseParser, ReadsWhatIsWritten) {
  const std::string text = sse_event("a\nb", "name") + sse_event("[DONE]");
  for (size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_THAT(events_of(text, cut), ElementsAre(SseEvent{"name", "a\nb"}, SseEvent{"", "[DONE]"}));
}

TEST(SseParser, RefusesAnEventThatGrowsWithoutEnd) {
  SseParser parser(100);
  EXPECT_THAT(parser.push(": " + std::string(90, 'x') + "\n\ndata: " + std::string(90, 'x') + "\n\n").value(),
              ElementsAre(SseEvent{"", std::string(90, 'x')}));
  EXPECT_THAT(parser.push("data: " + std::string(60, 'x') + "\n").value(), IsEmpty());
  const auto refused = parser.push("data: " + std::string(60, 'x') + "\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("100 bytes"));
  EXPECT_FALSE(parser.push("\n\n"));
  EXPECT_FALSE(parser.push(""));
}

}  // namespace
}  // namespace sluice
