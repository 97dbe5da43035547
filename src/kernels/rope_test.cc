#include "kernels/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice {
namespace {

TEST(Rope, TurnsEachPairByPositionTimesFrequency) {
  const Rope rope(4, 10000, nullptr);
  std::vector<float> x = {1, 0, 0, 2};
  rope.rotate(3, x.data());
  EXPECT_NEAR(x[0], std::cos(3.0), 1e-6);
  EXPECT_NEAR(x[1], std::sin(3.0), 1e-6);
  EXPECT_NEAR(x[2], -2 * std::sin(3.0 / 100), 1e-6);
  EXPECT_NEAR(x[3], 2 * std::cos(3.0 / 100), 1e-6);
}

TEST(Rope, RotateBackUndoesRotate) {
  const Rope rope(16, 160000, nullptr);
  std::vector<float> x(16);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 7.5F;
  const auto before = x;
  rope.rotate(123456, x.data());
  EXPECT_NE(x, before);
  rope.rotate_back(123456, x.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], before[i], 1e-5);
}

TEST(Rope, YarnKeepsFastPairsAndSlowsTheSlowOnes) {
  const YarnScaling yarn{16, 65536, 32, 1};
  const Rope plain(64, 160000, nullptr);
  const Rope scaled(64, 160000, &yarn);
  // low = floor(64 ln(65536/(64 pi)) / (2 ln 160000)) = 15, high = ceil(64 ln(65536/(2 pi)) / (2 ln 160000))
  // = 25.
  EXPECT_EQ(scaled.frequencies()[15], plain.frequencies()[15]);
  EXPECT_DOUBLE_EQ(scaled.frequencies()[20], plain.frequencies()[20] * (0.5 / 16 + 0.5));
  EXPECT_DOUBLE_EQ(scaled.frequencies()[25], plain.frequencies()[25] / 16);
  EXPECT_DOUBLE_EQ(scaled.frequencies()[31], plain.frequencies()[31] / 16);
}

}  // namespace
}  // namespace sluice
