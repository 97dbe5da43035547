#include "kernels/attend.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace sluice {
namespace {

TEST(Attend, IsSoftmaxOverRowsAndSink) {
  constexpr size_t kWidth = 19;
  constexpr size_t kRows = 11;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> q(kWidth);
  std::vector<std::vector<float>> data(kRows, std::vector<float>(kWidth));
  for (auto& value : q) value = normal(random);
  std::vector<const float*> rows;
  for (auto& row : data) {
    for (auto& value : row) value = normal(random);
    rows.push_back(row.data());
  }
  std::vector<float> scores(kRows);
  std::vector<float> out(kWidth);
  attend(q.data(), rows, kWidth, 0.25F, 0.7F, scores.data(), out.data());

  std::vector<double> weights;
  double total = std::exp(0.7);
  for (const auto& row : data) {
    double score = 0;
    for (size_t i = 0; i < kWidth; ++i) score += double{q[i]} * double{row[i]};
    weights.push_back(std::exp(score * 0.25));
    total += weights.back();
  }
  for (size_t i = 0; i < kWidth; ++i) {
    double expected = 0;
    for (size_t r = 0; r < kRows; ++r) expected += weights[r] / total * data[r][i];
    EXPECT_NEAR(out[i], expected, 1e-6);
  }
}

TEST(Attend, LargeScoresDoNotOverflow) {
  const std::array<float, 2> q = {1000.0F, 0.0F};
  const std::array<float, 2> near = {1.0F, 3.0F};
  const std::array<float, 2> far = {-1.0F, 5.0F};
  const std::array<const float*, 2> rows = {near.data(), far.data()};
  std::array<float, 2> scores{};
  std::array<float, 2> out{};
  attend(q.data(), rows, 2, 1.0F, 0.0F, scores.data(), out.data());
  EXPECT_FLOAT_EQ(out[0], 1.0F);
  EXPECT_FLOAT_EQ(out[1], 3.0F);
}

TEST(Attend, WithoutRowsTheSinkTakesEverything) {
  const std::array<float, 2> q = {1.0F, 2.0F};
  std::array<float, 2> out = {9.0F, 9.0F};
  attend(q.data(), {}, 2, 1.0F, 0.0F, nullptr, out.data());
  EXPECT_EQ(out, (std::array<float, 2>{0.0F, 0.0F}));
}

}  // namespace
}  // namespace sluice
