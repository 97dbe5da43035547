#include "cli/io_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

ProbeFigures round_of(uint64_t reads, uint64_t latency_ns) {
  ProbeFigures figures;
  figures.reads = reads;
  figures.wanted_bytes = figures.read_bytes = reads * 1'000'000;
  figures.elapsed_ns = 500'000'000;
  figures.cpu_ns = figures.read_bytes / 4;
  figures.median_latency_ns = latency_ns;
  figures.p99_latency_ns = 2 * latency_ns;
  return figures;
}

TEST(IoFigures, TheMedianIgnoresTheRoundThatWasDisturbed) {
  EXPECT_EQ(median_of({3, 1000, 1}), 3);
  EXPECT_EQ(median_of({1, 2, 3, 10}), 2.5);
  const IoRow row =
      io_row(16, {round_of(1000, 5'000'000), round_of(10, 900'000'000), round_of(1100, 4'000'000)},
             {2.5e9, 1.0e9, 2.0e9});
  EXPECT_EQ(row.depth, 16u);
  EXPECT_EQ(row.bytes_per_second, 2e9);
  EXPECT_EQ(row.reads_per_second, 2000);
  EXPECT_EQ(row.median_latency_ns, 5'000'000u);
  EXPECT_EQ(row.p99_latency_ns, 10'000'000u);
  EXPECT_EQ(row.cpu_ns_per_byte, 0.25);
  EXPECT_EQ(row.ratio(), 1.0);
}

TEST(IoFigures, ALineSaysHowMuchOfFioThatIs) {
  const IoRow row = io_row(4, {round_of(1000, 5'250'000)}, {2.5e9});
  EXPECT_EQ(io_line(row), "     4    2.000     2000.0    5.25 ms   10.50 ms   250.0 ms     2.500    80 %\n");
}

TEST(IoFigures, WithoutFioThereIsNothingToCompare) {
  const IoRow row = io_row(4, {round_of(1000, 5'250'000)}, {});
  EXPECT_FALSE(row.ratio().has_value());
  EXPECT_THAT(io_line(row), Not(HasSubstr("%")));
}

}  // namespace
}  // namespace sluice
