#include "engine/cost_model.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ExpectedHitRate, GrowsFromNothingToEverything) {
  EXPECT_EQ(expected_hit_rate(0), 0);
  EXPECT_EQ(expected_hit_rate(1), 1);
  EXPECT_EQ(expected_hit_rate(2), 1);
  for (double share = 0.01; share <= 1; share += 0.01) {
    EXPECT_GT(expected_hit_rate(share), expected_hit_rate(share - 0.01)) << share;
  }
}

TEST(ExpectedCost, CountsWhatIsReadAndWhatIsComputed) {
  const TokenWork work{1'000'000'000, 500'000'000};
  const TokenCost cost = expected_cost(work, {.disk = 1e9, .kernels = 3e9, .memory = 9e9}, 0);
  EXPECT_EQ(cost.read_bytes, 1'000'000'000U);
  EXPECT_EQ(cost.read_ns, 1'000'000'000U);
  EXPECT_EQ(cost.compute_ns, 500'000'000U);
  EXPECT_NEAR(cost.least_tokens_per_second, 1 / 1.5, 1e-9);
  EXPECT_NEAR(cost.most_tokens_per_second, 1, 1e-9);
  const TokenCost resident = expected_cost(work, {.disk = 1e9, .kernels = 3e9, .memory = 9e9}, 1);
  EXPECT_EQ(resident.read_bytes, 0U);
  EXPECT_NEAR(resident.least_tokens_per_second, 2, 1e-9);
  EXPECT_NEAR(resident.most_tokens_per_second, 2, 1e-9);
}

}  // namespace
}  // namespace sluice
