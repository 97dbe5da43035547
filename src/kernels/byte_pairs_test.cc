#include "kernels/byte_pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/pairs_testing.h"
#include "kernels/weights_testing.h"

namespace sluice {
namespace {

class BytePairs : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_byte_pairs()) GTEST_SKIP() << "this machine has no AVX-512 with VNNI for bytes and bf16";
  }

  // Of rows [begin, end); what is not computed is -1.
  static std::vector<float> product(const WeightMatrix& w, const std::vector<float>& x, size_t begin,
                                    size_t end) {
    std::vector<ByteChunk> chunks(byte_chunks_of(w.cols));
    pair_bytes(x.data(), w.cols, chunks.data());
    std::vector<float> y(w.rows, -1.0F);
    byte_pair_matvec_rows(w, begin, end, x.data(), chunks.data(), y.data());
    return y;
  }

  static bool is_as_portable(const WeightMatrix& w, const std::vector<float>& x) {
    return same_bits_but_for_nan(product(w, x, 0, w.rows),
                                 portable_product(w, Paired(x, 1, w.cols, WeightFormat::kMXFP4)));
  }
};

TEST_F(BytePairs, HaveTheBitsOfThePortableVersionInEveryShape) {
  for (const uint32_t rows : {1, 15, 16, 17, 140}) {
    for (const uint32_t cols : {32, 96, 128, 160, 480, 512, 544, 1024, 1632}) {
      const auto stored = random_weights(WeightFormat::kMXFP4, rows, cols);
      EXPECT_TRUE(is_as_portable(stored.matrix, random_tokens(1, cols))) << rows << " x " << cols;
    }
  }
}

TEST_F(BytePairs, CodesMayBeginAtAnyAddress) {
  for (const size_t offset : {1, 8, 40, 63}) {
    const auto stored = random_weights(WeightFormat::kMXFP4, 5, 672, offset);
    EXPECT_TRUE(is_as_portable(stored.matrix, random_tokens(1, 672))) << offset;
  }
}

TEST_F(BytePairs, RangesOfRowsAddressTheSameProducts) {
  const auto stored = random_weights(WeightFormat::kMXFP4, 100, 544);
  const auto x = random_tokens(1, 544);
  const auto expected = portable_product(stored.matrix, Paired(x, 1, 544, WeightFormat::kMXFP4));
  const auto found = product(stored.matrix, x, 3, 41);
  for (size_t r = 0; r < 100; ++r) EXPECT_EQ(found[r], r >= 3 && r < 41 ? expected[r] : -1.0F) << r;
  EXPECT_EQ(product(stored.matrix, x, 7, 7), std::vector<float>(100, -1.0F));
}

TEST_F(BytePairs, KnowEveryCode) {
  StoredWeights stored = random_weights(WeightFormat::kMXFP4, 256, 160);
  for (size_t i = 0; i < stored.values.size(); ++i) stored.values[i] = static_cast<std::byte>(i / 80);
  EXPECT_TRUE(is_as_portable(stored.matrix, random_tokens(1, 160)));
}

// Where sums are largest: all of one sign, and each byte at its end.
TEST_F(BytePairs, KnowTheLargestSums) {
  StoredWeights stored = random_weights(WeightFormat::kMXFP4, 16, 512);
  for (const int code : {0x77, 0xff}) {
    std::ranges::fill(stored.values, static_cast<std::byte>(code));
    for (const float value : {32639.0F, -32639.0F, 32512.0F - 128, -32512.0F + 128})
      EXPECT_TRUE(is_as_portable(stored.matrix, std::vector<float>(512, value))) << code << ", " << value;
  }
}

// Scales on both sides of what is multiplied in bytes, and the smallest activations there are or large ones.
TEST_F(BytePairs, HaveTheseBitsAtTheEndsOfTheRangeToo) {
  for (const int scale : {0, 1, 95, 96, 97, 158, 159, 160, 161, 254, 255}) {
    StoredWeights stored = random_weights(WeightFormat::kMXFP4, 20, 544);
    std::ranges::fill(stored.scales, static_cast<std::byte>(scale));
    for (const float factor : {0x1p-57F, 1.0F, 0x1p47F}) {
      auto x = random_tokens(1, 544);
      for (float& value : x) value *= factor;
      EXPECT_TRUE(is_as_portable(stored.matrix, x)) << scale << ", " << factor;
    }
  }
}

TEST_F(BytePairs, KnowEveryScale) {
  StoredWeights stored = random_weights(WeightFormat::kMXFP4, 64, 160);
  for (size_t i = 0; i < stored.scales.size(); ++i)
    stored.scales[i] = static_cast<std::byte>(96 + i * 37 % 64);
  EXPECT_TRUE(is_as_portable(stored.matrix, random_tokens(1, 160)));
}

TEST_F(BytePairs, WhatIsNoNumberStaysNone) {
  const auto stored = random_weights(WeightFormat::kMXFP4, 20, 544);
  for (const float value : {std::numeric_limits<float>::infinity(), std::nanf(""), 0x1p60F}) {
    for (const size_t place : {0, 31, 77, 543}) {
      auto x = random_tokens(1, 544);
      x[place] = value;
      const auto y = product(stored.matrix, x, 0, 20);
      EXPECT_TRUE(std::ranges::all_of(y, [](float sum) { return std::isnan(sum); }))
          << value << ", " << place;
    }
  }
}

TEST_F(BytePairs, MayBeZero) {
  const auto stored = random_weights(WeightFormat::kMXFP4, 20, 160);
  for (const float value : {0.0F, -0.0F, 0x1p-149F, 0x1.fffffep-61F})
    EXPECT_EQ(product(stored.matrix, std::vector<float>(160, value), 0, 20), std::vector<float>(20)) << value;
}

}  // namespace
}  // namespace sluice
