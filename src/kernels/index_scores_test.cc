#include "kernels/index_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/rows_testing.h"

namespace sluice {
namespace {

class IndexScores : public testing::TestWithParam<std::tuple<RowFormat, size_t, size_t, size_t>> {};

INSTANTIATE_TEST_SUITE_P(Shapes, IndexScores,
                         testing::Combine(testing::Values(RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16),
                                          testing::Values(1, 16, 37, 64), testing::Values(1, 6, 13),
                                          testing::Values(1, 5, 16, 128)));

TEST_P(IndexScores, AreWeightedSumsOfPositiveProductsWhateverTheNeighbours) {
  const auto [format, heads, key_count, width] = GetParam();
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> queries(heads * width), weights(heads), values(key_count * width);
  for (auto* some : {&queries, &weights, &values}) {
    for (float& value : *some) value = normal(random);
  }
  const StoredRows keys(format, values, width);
  std::vector<float> packed(packed_queries_floats(heads, width), -1);
  pack_queries(queries.data(), weights.data(), heads, width, packed.data());
  std::vector<float> scores(key_count);
  index_scores(packed.data(), heads, width, keys.view(), scores.data());
  for (size_t i = 0; i < key_count; ++i) {
    double expected = 0;
    for (size_t h = 0; h < heads; ++h) {
      double product = 0;
      for (size_t c = 0; c < width; ++c) product += double{queries[h * width + c]} * double{keys.value(i, c)};
      expected += double{weights[h]} * std::max(product, 0.0);
    }
    EXPECT_NEAR(scores[i], expected, 1e-5 * static_cast<double>(width + heads));
    float alone = 0;
    index_scores(packed.data(), heads, width, keys.view().some(i, 1), &alone);
    EXPECT_EQ(scores[i], alone);
  }
}

}  // namespace
}  // namespace sluice
