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
  FioJob job;
  job.depth = 16;
  const auto arguments = fio_arguments(job, "/proc/1/fd/7");
  EXPECT_EQ(arguments.front(), "fio");
  for (const char* expected : {"--read_iolog=/proc/1/fd/7", "--replay_no_stall=1", "--iodepth=16",
                               "--direct=1", "--ioengine=io_uring", "--readonly"}) {
    EXPECT_THAT(arguments, Contains(expected));
  }
  job.direct = false;
  job.uses_io_uring = false;
  EXPECT_THAT(fio_arguments(job, "log"), Contains("--direct=0"));
  EXPECT_THAT(fio_arguments(job, "log"), Not(Contains("--ioengine=io_uring")));
}

TEST(Fio, MakesTheSameReadsInTheSameOrder) {
  const std::vector<FioRead> reads = {{1, 8192, 4096}, {0, 0, 12288}};
  const std::vector<std::string> names = {"a", "b"};
  EXPECT_EQ(fio_log(reads, names),
            "fio version 2 iolog\n"
            "a add\na open\nb add\nb open\n"
            "b read 8192 4096\na read 0 12288\n"
            "a close\nb close\n");
}

TEST(Fio, AFileThatIsNotThereIsNamed) {
  FioJob job;
  job.files = {"nowhere.bin"};
  job.reads = {{0, 0, 4096}};
  const auto figures = run_fio(job);
  ASSERT_FALSE(figures.has_value());
  EXPECT_EQ(figures.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(figures.error().message, HasSubstr("nowhere.bin"));
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
