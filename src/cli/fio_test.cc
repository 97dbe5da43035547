#include "cli/fio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kReport = R"(note: fio warns
{"fio version": "fio-3.33", "jobs": [{"jobname": "random-reads", "read": {"bw_bytes": 2500000000,
 "clat_ns": {"percentile": {"50.000000": 40000000, "99.000000": 103284736}}}}]}
)";

TEST(Fio, IsToldWhatSluiceDoesItself) {
  const auto arguments =
      fio_arguments({{"a.bin", "c:d.bin"}, 13369344, 16, std::chrono::milliseconds(1500), true, true});
  EXPECT_EQ(arguments.front(), "fio");
  for (const char* expected : {"--filename=a.bin:c\\:d.bin", "--bs=13369344", "--iodepth=16", "--direct=1",
                               "--ioengine=io_uring", "--runtime=1500ms", "--readonly", "--rw=randread"}) {
    EXPECT_THAT(arguments, Contains(expected));
  }
  FioJob buffered{{"a"}, 4096};
  buffered.direct = false;
  buffered.uses_io_uring = false;
  EXPECT_THAT(fio_arguments(buffered), Contains("--direct=0"));
  EXPECT_THAT(fio_arguments(buffered), Not(Contains("--ioengine=io_uring")));
}

TEST(Fio, ItsReportIsReadAfterItsWarnings) {
  const auto figures = parse_fio_report(kReport);
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_EQ(figures->bytes_per_second, 2.5e9);
  EXPECT_EQ(figures->median_latency_ns, 40'000'000u);
  EXPECT_EQ(figures->p99_latency_ns, 103'284'736u);
}

TEST(Fio, WhatIsNoReportIsAnErrorThatShowsIt) {
  for (const char* text : {"", "fio: command line is wrong", "{}", "{\"jobs\": []}", "}{", "{\"jobs\": 3}",
                           R"({"jobs": [{"read": {"bw_bytes": "many"}}]})"}) {
    const auto figures = parse_fio_report(text);
    ASSERT_FALSE(figures.has_value()) << text;
    EXPECT_EQ(figures.error().code, ErrorCode::kIo);
    EXPECT_THAT(figures.error().message, HasSubstr(text));
  }
}

}  // namespace
}  // namespace sluice
