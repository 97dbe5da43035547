#include "kernels/mix_streams.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice {
namespace {

TEST(MixStreams, IsItsFormulaHoweverTheColumnsAreCut) {
  constexpr size_t kWidth = 77;
  for (const size_t count : {size_t{1}, size_t{2}, size_t{4}, size_t{16}}) {
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    std::vector<float> post(count), comb(count * count), y(kWidth), before(count * kWidth);
    for (auto* values : {&post, &comb, &y, &before}) {
      for (auto& value : *values) value = normal(random);
    }
    auto streams = before;
    mix_streams(post.data(), comb.data(), count, y.data(), kWidth, 0, kWidth, streams.data());
    for (size_t s = 0; s < count; ++s) {
      for (size_t c = 0; c < kWidth; ++c) {
        double expected = double{post[s]} * double{y[c]};
        for (size_t j = 0; j < count; ++j)
          expected += double{comb[j * count + s]} * double{before[j * kWidth + c]};
        EXPECT_NEAR(streams[s * kWidth + c], expected, 1e-5);
      }
    }
    auto in_pieces = before;
    for (size_t begin = 0; begin < kWidth; begin += 5) {
      mix_streams(post.data(), comb.data(), count, y.data(), kWidth, begin, std::min(begin + 5, kWidth),
                  in_pieces.data());
    }
    EXPECT_EQ(in_pieces, streams);
  }
}

}  // namespace
}  // namespace sluice
