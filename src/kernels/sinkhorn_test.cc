#include "kernels/sinkhorn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice {
namespace {

TEST(Sinkhorn, EndsNearlyDoublyStochastic) {
  std::vector<float> comb = {0.1F, 2.0F, -1.0F, 0.5F, 0.3F, 0.0F, 4.0F, -2.0F, 1.0F};
  sinkhorn({3, 20, 1e-6F}, comb.data());
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(comb[3 * i] + comb[3 * i + 1] + comb[3 * i + 2], 1.0F, 1e-3);
    EXPECT_NEAR(comb[i] + comb[3 + i] + comb[6 + i], 1.0F, 1e-4);
  }
}

TEST(Sinkhorn, OneIterationIsSoftmaxThenColumns) {
  std::vector<float> comb = {1.0F, 0.0F, 0.0F, 0.0F};
  sinkhorn({2, 1, 0.5F}, comb.data());
  const double p = std::exp(1.0) / (std::exp(1.0) + 1) + 0.5;
  const double q = 1 / (std::exp(1.0) + 1) + 0.5;
  EXPECT_NEAR(comb[0], p / (p + 1 + 0.5), 1e-6);
  EXPECT_NEAR(comb[1], q / (q + 1 + 0.5), 1e-6);
  EXPECT_NEAR(comb[2], 1 / (p + 1 + 0.5), 1e-6);
  EXPECT_NEAR(comb[3], 1 / (q + 1 + 0.5), 1e-6);
}

}  // namespace
}  // namespace sluice
