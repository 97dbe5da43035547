#include "cli/speed_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::Not;

// 10 tokens in a second: 100 MB read for each.
TelemetrySample sample_of_reads(uint64_t read_bytes) {
  TelemetrySample sample;
  sample.interval_ns = 1'000'000'000;
  sample.tokens = 10;
  sample.spent.hits = 30;
  sample.spent.misses = 10;
  sample.spent.read_bytes = read_bytes;
  sample.spent.read_busy_ns = read_bytes == 0 ? 0 : 500'000'000;
  sample.spent.read_flight_ns = 2 * sample.spent.read_busy_ns;
  return sample;
}

constexpr TokenWork kWork{300'000'000, 200'000'000};
constexpr MachineRates kRates{.disk = 2e9, .kernels = 8e9, .memory = 20e9};

TEST(DecodeBound, IsTheLesserOfDiskAndMemory) {
  const TelemetrySample sample = sample_of_reads(1'000'000'000);
  const SpeedBound bound = decode_bound(sample, kWork, kRates);
  EXPECT_DOUBLE_EQ(bound.disk_tokens_per_second, 20);
  EXPECT_DOUBLE_EQ(bound.memory_tokens_per_second, 40);
  EXPECT_DOUBLE_EQ(bound.tokens_per_second(), 20);
  EXPECT_STREQ(bound.name(), "disk");
  EXPECT_DOUBLE_EQ(to_json(bound, sample)["reached"].get<double>(), 0.5);
  const std::string text = describe(bound, sample, kWork, kRates);
  EXPECT_THAT(text, HasSubstr("2.00 GB/s ÷ 100 MB read per token = 20 tokens/s at most"));
  EXPECT_THAT(text, HasSubstr("20.0 GB/s ÷ 500 MB touched per token = 40 tokens/s at most"));
  EXPECT_THAT(text, HasSubstr("reached 50 % of what disk allows"));
}

TEST(DecodeBound, IsMemorysWhenNothingIsRead) {
  const TelemetrySample sample = sample_of_reads(0);
  const SpeedBound bound = decode_bound(sample, kWork, kRates);
  EXPECT_DOUBLE_EQ(bound.tokens_per_second(), 40);
  EXPECT_STREQ(bound.name(), "memory");
  EXPECT_THAT(describe(bound, sample, kWork, kRates), Not(HasSubstr("disk ")));
}

TEST(SpeedReport, SaysWhereTheTimeWent) {
  SpeedFigures figures{sample_of_reads(1'000'000'000)};
  figures.part_ns[static_cast<size_t>(PassPart::kExpert)] = 600'000'000;
  figures.part_ns[static_cast<size_t>(PassPart::kWaiting)] = 250'000'000;
  const std::string text = describe(figures);
  EXPECT_THAT(text, HasSubstr("10 tokens/s, 100 ms a token; 75.0 % hits, 100 MB read per token"));
  EXPECT_THAT(text, HasSubstr("disk busy 50 % of the time, 2.00 GB/s while it is, 2.0 reads in flight"));
  EXPECT_THAT(text, HasSubstr("routed experts    60.000 ms  60.0 %"));
  EXPECT_THAT(text, HasSubstr("waiting           25.000 ms  25.0 %"));
  EXPECT_THAT(text, HasSubstr("the rest          15.000 ms  15.0 %"));
  const auto json = to_json(figures);
  EXPECT_EQ(json["experts_ns"], 600'000'000);
  EXPECT_EQ(json["rest_ns"], 150'000'000);
}

}  // namespace
}  // namespace sluice
