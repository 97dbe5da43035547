#include "engine/telemetry.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Clock = TelemetryMeter::Clock;
using std::chrono::milliseconds;

StreamCounters counters_of(uint64_t factor) {
  StreamCounters counters;
  counters.hits = 30 * factor;
  counters.misses = 10 * factor;
  counters.read_bytes = 4'000'000 * factor;
  counters.wait_ns = 25'000'000 * factor;
  counters.read_busy_ns = 50'000'000 * factor;
  counters.read_flight_ns = 150'000'000 * factor;
  counters.prefetch_useful_bytes = 300 * factor;
  counters.prefetch_wasted_bytes = 100 * factor;
  return counters;
}

TEST(Telemetry, FiguresAreOfTheStretchAlone) {
  const Clock::time_point start{};
  TelemetryMeter meter(counters_of(7), start);
  const auto sample = meter.take(EnginePhase::kDecode, 2, counters_of(8), start + milliseconds(100));
  EXPECT_EQ(sample.interval_ns, 100'000'000u);
  EXPECT_DOUBLE_EQ(sample.tokens_per_second(), 20);
  EXPECT_DOUBLE_EQ(sample.hit_rate(), 0.75);
  EXPECT_DOUBLE_EQ(sample.bytes_per_token(), 2e6);
  EXPECT_DOUBLE_EQ(sample.read_bytes_per_second(), 4e7);
  EXPECT_DOUBLE_EQ(sample.device_busy_share(), 0.5);
  EXPECT_DOUBLE_EQ(sample.device_bytes_per_second(), 8e7);
  EXPECT_DOUBLE_EQ(sample.queue_depth(), 3);
  EXPECT_DOUBLE_EQ(sample.waiting_share(), 0.25);
  EXPECT_DOUBLE_EQ(sample.prefetch_useful_share(), 0.75);
}

TEST(Telemetry, StretchesFollowEachOtherWithoutGapsAndAddUp) {
  const Clock::time_point start{};
  TelemetryMeter meter({}, start);
  auto sum = meter.take(EnginePhase::kPrefill, 5, counters_of(1), start + milliseconds(30));
  sum += meter.take(EnginePhase::kDecode, 1, counters_of(3), start + milliseconds(90));
  EXPECT_EQ(sum.at_ns, 90'000'000u);
  EXPECT_EQ(sum.interval_ns, 90'000'000u);
  EXPECT_EQ(sum.tokens, 6u);
  EXPECT_EQ(sum.spent.read_bytes, counters_of(3).read_bytes);
  EXPECT_STREQ(engine_phase_name(sum.phase), "decode");
}

TEST(Telemetry, NothingDividedByNothingIsZero) {
  const TelemetrySample sample;
  for (const double figure : {sample.tokens_per_second(), sample.hit_rate(), sample.bytes_per_token(),
                              sample.queue_depth(), sample.waiting_share(), sample.prefetch_useful_share()}) {
    EXPECT_EQ(figure, 0);
  }
}

}  // namespace
}  // namespace sluice
