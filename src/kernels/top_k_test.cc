#include "kernels/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace sluice {
namespace {

using Indices = std::vector<uint32_t>;

TEST(TopK, AgreesWithAStableSort) {
  std::mt19937 random(5);
  for (size_t n = 0; n < 60; ++n) {
    std::vector<float> scores(n);
    for (auto& score : scores) score = static_cast<float>(random() % 10);
    Indices sorted(n);
    for (size_t i = 0; i < n; ++i) sorted[i] = static_cast<uint32_t>(i);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
    for (const size_t k : {size_t{0}, size_t{1}, size_t{6}, size_t{59}, size_t{100}}) {
      const Indices expected(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(std::min(k, n)));
      EXPECT_EQ(top_k(scores, k), expected) << n << "," << k;
    }
  }
}

// Scores that differ in their last bits only, of both signs: every digit of a score is looked at.
TEST(TopK, TellsScoresApartToTheLastBit) {
  std::mt19937 random(6);
  std::vector<float> scores(3000);
  for (auto& score : scores)
    score = (random() % 2 == 0 ? 1.0F : -1.0F) * (1 + static_cast<float>(random() % 1500) * 0x1p-23F);
  Indices sorted(scores.size());
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = static_cast<uint32_t>(i);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
  for (const std::ptrdiff_t k : {1, 512, 1499, 1700, 2999}) {
    EXPECT_EQ(top_k(scores, static_cast<size_t>(k)), Indices(sorted.begin(), sorted.begin() + k)) << k;
  }
}

TEST(TopK, NanIsNeverPreferred) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> scores = {nan, -5.0F, nan, -std::numeric_limits<float>::infinity()};
  EXPECT_EQ(top_k(scores, 2), (Indices{1, 3}));
  EXPECT_EQ(top_k(scores, 3), (Indices{1, 3, 0}));
}

}  // namespace
}  // namespace sluice
