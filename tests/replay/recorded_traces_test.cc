// What docs/policies.md says of the policies, held over whole recorded traces: minutes under sanitizers,
// which see the same code on short traces in src/experts/replay_test.cc.
#include <gtest/gtest.h>

#include <array>
#include <span>

#include "experts/replay.h"
#include "experts/test_traces.h"

namespace sluice {
namespace {

constexpr double kShares[] = {0.08, 0.15, 0.25, 0.40};

double percent(const Trace& trace, std::string_view policy, double share) {
  const auto row = replay(trace, policy, share);
  EXPECT_TRUE(row) << row.error().message;
  return row ? 100 * row->hit_rate() : -1;
}

// Hit rates that were measured elsewhere, in per cent, at kShares.
struct Known {
  const char* trace;
  const char* policy;
  std::array<double, 4> percent;
};

void expect_known(std::span<const Known> known) {
  for (const Known& row : known) {
    const Trace trace = testing::recorded_trace(row.trace);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(percent(trace, row.policy, kShares[i]), row.percent[i], 0.2)
          << row.trace << " " << row.policy << " " << kShares[i];
  }
}

TEST(RecordedTraces, FindsTheHitRatesThatDocsPoliciesNames) {
  const Known known[] = {
      {"qwen3-30b-a3b", "decayed-frequency", {47.6, 67.5, 82.9, 94.1}},
      {"qwen3-30b-a3b", "forecast", {54.7, 71.6, 85.6, 94.7}},
      {"gemma-4-26b-a4b", "decayed-frequency", {49.4, 67.0, 81.0, 92.9}},
      {"gemma-4-26b-a4b", "forecast", {54.3, 70.8, 83.3, 93.6}},
  };
  expect_known(known);
}

TEST(RecordedTraces, FindsTheHitRatesThatWereMeasuredElsewhere) {
  const Known known[] = {
      {"qwen3-30b-a3b", "lru-per-layer", {44.4, 64.7, 81.1, 92.8}},
      {"qwen3-30b-a3b", "lru", {43.7, 65.3, 82.6, 94.2}},
      {"qwen3-30b-a3b", "decayed-frequency-per-layer", {52.0, 69.4, 83.0, 93.1}},
      {"qwen3-30b-a3b", "belady", {68.8, 83.6, 93.0, 97.1}},
      {"gemma-4-26b-a4b", "lru-per-layer", {42.4, 64.6, 79.1, 91.7}},
      {"gemma-4-26b-a4b", "lru", {41.1, 64.3, 79.8, 92.9}},
      {"gemma-4-26b-a4b", "decayed-frequency-per-layer", {52.2, 69.1, 81.0, 92.0}},
      {"gemma-4-26b-a4b", "belady", {68.8, 81.7, 91.5, 96.2}},
  };
  expect_known(known);
}

TEST(RecordedTraces, TheForecastBeatsDecayedFrequencyEverywhereAndByTwoPointsOnAverage) {
  double gained = 0;
  for (const char* name : {"qwen3-30b-a3b", "gemma-4-26b-a4b"}) {
    const Trace trace = testing::recorded_trace(name);
    for (const double share : kShares) {
      const double gain =
          percent(trace, "forecast", share) - percent(trace, "decayed-frequency-per-layer", share);
      EXPECT_GT(gain, 1.5) << name << " " << share;
      EXPECT_GT(percent(trace, "forecast", share), percent(trace, "decayed-frequency", share));
      EXPECT_GT(percent(trace, "forecast", share), percent(trace, "lru", share));
      gained += gain / 8;
    }
  }
  EXPECT_GT(gained, 2.0);
}

TEST(RecordedTraces, NobodyBeatsBelady) {
  const Trace traces[] = {testing::recorded_trace("qwen3-30b-a3b"),
                          testing::recorded_trace("gemma-4-26b-a4b"),
                          testing::uniform_trace(150),
                          testing::zipf_trace(150),
                          testing::topics_trace(150),
                          testing::cyclic_trace(150),
                          testing::recency_trace(150)};
  for (const Trace& trace : traces) {
    for (const double share : {0.1, 0.3}) {
      const double belady = percent(trace, "belady", share);
      for (const ReplayPolicy& policy : replay_policies())
        EXPECT_LE(percent(trace, policy.name, share), belady) << trace.header.model << " " << policy.name;
    }
  }
}

TEST(RecordedTraces, TheForecastLosesLittleToLruWhereThereIsNothingElseToLearn) {
  const Trace traces[] = {testing::uniform_trace(300), testing::zipf_trace(300), testing::topics_trace(300),
                          testing::topics_trace(300, 2), testing::recency_trace(300)};
  for (const Trace& trace : traces)
    for (const double share : kShares)
      EXPECT_GT(percent(trace, "forecast", share), percent(trace, "lru", share) - 1.0)
          << trace.header.model << " " << share;
}

}  // namespace
}  // namespace sluice
