#include "kernels/score_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>
#include <vector>

namespace sluice {
namespace {

class ScoreRows : public testing::TestWithParam<std::tuple<size_t, size_t, size_t>> {};

INSTANTIATE_TEST_SUITE_P(Shapes, ScoreRows,
                         testing::Combine(testing::Values(1, 4, 7), testing::Values(1, 4, 13),
                                          testing::Values(1, 5, 16, 33, 128)));

TEST_P(ScoreRows, AreDotProductsWhoseBitsDoNotDependOnTheirNeighbours) {
  const auto [query_count, row_count, width] = GetParam();
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> queries(query_count * width);
  std::vector<float> data(row_count * width);
  for (auto& value : queries) value = normal(random);
  for (auto& value : data) value = normal(random);
  std::vector<const float*> rows;
  for (size_t r = 0; r < row_count; ++r) rows.push_back(data.data() + r * width);
  const size_t stride = row_count + 3;
  std::vector<float> scores(query_count * stride, -1);
  score_rows(queries.data(), query_count, rows, width, scores.data(), stride);
  for (size_t q = 0; q < query_count; ++q) {
    for (size_t r = 0; r < row_count; ++r) {
      double expected = 0;
      for (size_t c = 0; c < width; ++c) expected += double{queries[q * width + c]} * double{rows[r][c]};
      EXPECT_NEAR(scores[q * stride + r], expected, 1e-5 * static_cast<double>(width));
      float alone = 0;
      score_rows(queries.data() + q * width, 1, {&rows[r], 1}, width, &alone, 1);
      EXPECT_EQ(scores[q * stride + r], alone);
    }
    for (size_t r = row_count; r < stride; ++r) EXPECT_EQ(scores[q * stride + r], -1);
  }
}

}  // namespace
}  // namespace sluice
