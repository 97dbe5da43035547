#include "kernels/attend.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

namespace sluice {
namespace {

class Attend : public testing::TestWithParam<std::tuple<size_t, size_t, size_t>> {};

INSTANTIATE_TEST_SUITE_P(Shapes, Attend,
                         testing::Combine(testing::Values(1, 8, 11), testing::Values(1, 31, 32, 100),
                                          testing::Values(2, 19, 64)));

TEST_P(Attend, IsSoftmaxOverRowsAndSink) {
  const auto [heads, row_count, width] = GetParam();
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> q(heads * width);
  std::vector<float> sinks(heads);
  std::vector<float> data(row_count * width);
  for (auto* values : {&q, &sinks, &data}) {
    for (auto& value : *values) value = 2 * normal(random);
  }
  std::vector<const float*> rows;
  for (size_t r = 0; r < row_count; ++r) rows.push_back(data.data() + r * width);
  std::vector<float> out(heads * width);
  attend(q.data(), heads, rows, width, 0.25F, sinks.data(), out.data());
  for (size_t h = 0; h < heads; ++h) {
    std::vector<double> scores;
    double largest = sinks[h];
    for (const float* row : rows) {
      double score = 0;
      for (size_t c = 0; c < width; ++c) score += double{q[h * width + c]} * double{row[c]};
      scores.push_back(0.25 * score);
      largest = std::max(largest, scores.back());
    }
    double total = std::exp(sinks[h] - largest);
    for (const double score : scores) total += std::exp(score - largest);
    for (size_t c = 0; c < width; ++c) {
      double expected = 0;
      for (size_t r = 0; r < row_count; ++r)
        expected += std::exp(scores[r] - largest) / total * double{rows[r][c]};
      EXPECT_NEAR(out[h * width + c], expected, 2e-5);
    }
    // A head alone has the same bits.
    std::vector<float> alone(width);
    attend(q.data() + h * width, 1, rows, width, 0.25F, &sinks[h], alone.data());
    EXPECT_EQ(alone, std::vector(out.begin() + static_cast<std::ptrdiff_t>(h * width),
                                 out.begin() + static_cast<std::ptrdiff_t>((h + 1) * width)));
  }
}

TEST(AttendEdges, LargeScoresDoNotOverflow) {
  const std::array<float, 2> q = {1000.0F, 0.0F};
  const std::array<float, 2> far = {-1.0F, 5.0F};
  const std::array<float, 2> near = {1.0F, 3.0F};
  std::vector<const float*> rows(40, far.data());
  rows.push_back(near.data());  // in another block than most of the others
  std::array<float, 2> out{};
  const float sink = 0;
  attend(q.data(), 1, rows, 2, 1.0F, &sink, out.data());
  EXPECT_FLOAT_EQ(out[0], 1.0F);
  EXPECT_FLOAT_EQ(out[1], 3.0F);
}

TEST(AttendEdges, WithoutRowsTheSinkTakesEverything) {
  const std::array<float, 2> q = {1.0F, 2.0F};
  std::array<float, 2> out = {9.0F, 9.0F};
  const float sink = 0;
  attend(q.data(), 1, {}, 2, 1.0F, &sink, out.data());
  EXPECT_EQ(out, (std::array<float, 2>{0.0F, 0.0F}));
}

}  // namespace
}  // namespace sluice
