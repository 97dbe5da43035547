#include "kernels/vector_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace sluice {
namespace {

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (auto& value : values) value = normal(random);
  return values;
}

TEST(VectorOps, DotAgreesWithDoubleArithmeticAtEveryLength) {
  for (size_t n = 0; n < 140; ++n) {
    const auto a = random_floats(n, 1);
    const auto b = random_floats(n, 2);
    double expected = 0;
    for (size_t i = 0; i < n; ++i) expected += double{a[i]} * double{b[i]};
    EXPECT_NEAR(dot(a.data(), b.data(), n), expected, 1e-5) << n;
  }
}

TEST(VectorOps, AddScaledTouchesExactlyItsLength) {
  for (size_t n = 0; n < 70; ++n) {
    const auto x = random_floats(n + 1, 3);
    const auto before = random_floats(n + 1, 4);
    auto y = before;
    add_scaled(0.5F, x.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], before[i] + 0.5 * x[i], 1e-6) << n << "," << i;
    EXPECT_EQ(y[n], before[n]) << n;
  }
}

TEST(VectorOps, RmsNormMatchesItsFormula) {
  const auto x = random_floats(37, 5);
  const auto weight = random_floats(37, 6);
  double mean_square = 0;
  for (const float value : x) mean_square += double{value} * double{value} / 37;
  std::vector<float> y(37);
  rms_norm(x.data(), weight.data(), 1e-6F, 37, y.data());
  for (size_t i = 0; i < 37; ++i) EXPECT_NEAR(y[i], x[i] * weight[i] / std::sqrt(mean_square + 1e-6), 1e-6);
  rms_norm(x.data(), nullptr, 1e-6F, 37, y.data());
  for (size_t i = 0; i < 37; ++i) EXPECT_NEAR(y[i], x[i] / std::sqrt(mean_square + 1e-6), 1e-6);
}

TEST(VectorOps, RmsNormOfZerosIsZero) {
  std::vector<float> x(8, 0.0F);
  rms_norm(x.data(), nullptr, 1e-6F, 8, x.data());
  EXPECT_EQ(x, std::vector<float>(8, 0.0F));
}

TEST(VectorOps, SwigluClampsTheGateAboveAndTheUpProjectionOnBothSides) {
  const std::vector<float> gate = {20.0F, -20.0F, 1.0F, 1.0F};
  const std::vector<float> up = {1.0F, 1.0F, 30.0F, -30.0F};
  std::vector<float> y(4);
  swiglu(gate.data(), up.data(), 10.0F, 4, y.data());
  const auto silu = [](double g) { return g / (1 + std::exp(-g)); };
  EXPECT_NEAR(y[0], silu(10), 1e-5);
  EXPECT_NEAR(y[1], silu(-20), 1e-9);
  EXPECT_NEAR(y[2], silu(1) * 10, 1e-5);
  EXPECT_NEAR(y[3], silu(1) * -10, 1e-5);
}

}  // namespace
}  // namespace sluice
