#include "kernels/bf16_pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/amx_pairs.h"
#include "kernels/avx512_pairs.h"
#include "kernels/pairs_testing.h"
#include "kernels/weights_testing.h"
#include "numerics/codec.h"

namespace sluice {
namespace {

double largest_magnitude(std::span<const float> values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

class PairFormats : public testing::TestWithParam<WeightFormat> {};
INSTANTIATE_TEST_SUITE_P(Every, PairFormats, testing::Values(WeightFormat::kFP8, WeightFormat::kMXFP4),
                         [](const auto& tested) { return std::string(weight_format_name(tested.param)); });

TEST_P(PairFormats, AreNearTheProductInDoubleArithmetic) {
  constexpr uint32_t kRows = 9;
  constexpr uint32_t kCols = 544;
  constexpr size_t kTokens = 19;
  const auto stored = random_weights(GetParam(), kRows, kCols, 1);
  const auto x = random_tokens(kTokens, kCols);
  const auto y = portable_product(stored.matrix, Paired(x, kTokens, kCols, GetParam()));
  std::vector<float> row(kCols);
  for (uint32_t r = 0; r < kRows; ++r) {
    decode_row(stored.matrix, r, row.data());
    for (size_t t = 0; t < kTokens; ++t) {
      double sum = 0;
      double error = 0;
      for (uint32_t c = 0; c < kCols; ++c) {
        const float* const at = x.data() + t * kCols + c;
        const std::span<const float> rounded_together(at - c % kPairBlockCols, kPairBlockCols);
        const double largest =
            GetParam() == WeightFormat::kMXFP4 ? 2 * largest_magnitude(rounded_together) : std::abs(*at);
        sum += double{row[c]} * double{*at};
        error += std::abs(double{row[c]}) * largest * 0x1p-16;
      }
      EXPECT_NEAR(y[t * kRows + r], sum, error) << r << "," << t;
    }
  }
}

// One weight and one activation at a time: which columns are which is in no product of random ones.
TEST_P(PairFormats, EveryColumnMeetsItsWeight) {
  constexpr uint32_t kCols = 64;
  const auto stored = random_weights(GetParam(), 3, kCols, 1);
  std::vector<float> identity(size_t{kCols} * kCols);
  for (size_t c = 0; c < kCols; ++c) identity[c * kCols + c] = 1.0F;
  const auto y = portable_product(stored.matrix, Paired(identity, kCols, kCols, GetParam()));
  std::vector<float> row(kCols);
  for (uint32_t r = 0; r < 3; ++r) {
    decode_row(stored.matrix, r, row.data());
    for (uint32_t c = 0; c < kCols; ++c) EXPECT_EQ(y[c * 3 + r], row[c]) << r << "," << c;
  }
}

// Beyond the last column there are zeros up to the end of a line.
TEST_P(PairFormats, ALastLineIsFilledWithZeros) {
  constexpr size_t kTokens = 3;
  const Paired paired(std::vector<float>(kTokens * 160, 1.0F), kTokens, 160, GetParam());
  const LineColumns columns = paired.view.columns();
  const uint16_t* last = paired.view.line(0, paired.view.lines() - 1);
  for (size_t b = 0; b < columns.blocks; ++b, last += paired.view.block_values()) {
    for (size_t i = 0; i < paired.view.block_values() / 2; ++i) {
      const size_t m = i / (2 * kTokens);
      const size_t c = i % 2 == 0 ? columns.first(b, m) : columns.second(b, m);
      EXPECT_EQ(bf16_to_float(last[i]), c < 32 ? 1.0F : 0.0F) << b << "," << i;
    }
  }
}

TEST_P(PairFormats, ATokenHasTheBitsThatItHasAlone) {
  constexpr uint32_t kRows = 5;
  constexpr uint32_t kCols = 160;
  constexpr size_t kMostTokens = 35;
  const auto stored = random_weights(GetParam(), kRows, kCols, 1);
  const auto x = random_tokens(kMostTokens, kCols);
  const auto all = portable_product(stored.matrix, Paired(x, kMostTokens, kCols, GetParam()));
  for (const size_t tokens : {1, 2, 15, 16, 17, 33}) {
    const auto some = portable_product(stored.matrix, Paired(x, tokens, kCols, GetParam()));
    EXPECT_TRUE(std::ranges::equal(some, std::span(all).first(some.size()))) << tokens;
  }
}

// The largest magnitude of a block, and what its integers are multiples of.
TEST(PairUnit, TakesALargestMagnitudeToTwoBytes) {
  const auto of = [](float largest) { return PairUnit::of(std::bit_cast<uint32_t>(largest)); };
  EXPECT_EQ(of(32639.0F).unit, 1.0F);
  EXPECT_EQ(of(32639.0F).per_unit, 1.0F);
  EXPECT_EQ(of(std::nextafter(32639.0F, 40000.0F)).unit, 2.0F);
  EXPECT_EQ(of(16384.0F).unit, 1.0F);
  EXPECT_EQ(of(16320.0F).unit, 1.0F);  // since twice that is too much
  EXPECT_EQ(of(16319.5F).unit, 0.5F);
  EXPECT_EQ(of(1.0F).unit, 0x1p-14F);
  EXPECT_EQ(of(1.0F).per_unit, 0x1p14F);
  EXPECT_EQ(of(0x1p-60F).unit, 0x1p-74F);
  EXPECT_EQ(of(std::nextafter(0x1p-60F, 0.0F)).unit, 0.0F);
  EXPECT_EQ(of(0.0F).per_unit, 0.0F);
  EXPECT_EQ(of(0x1.fcp59F).unit, 0x1p45F);
  for (const float none : {0x1p60F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    EXPECT_TRUE(std::isnan(of(none).unit)) << none;
    EXPECT_EQ(of(none).per_unit, 0.0F) << none;
  }
}

// Halves go to even integers; the bytes are such as are nearest to zero.
TEST(BF16Pairs, AreBytesOfIntegersForMXFP4Weights) {
  const std::vector<std::array<float, 3>> values = {
      {32639, 127 * 256, 127}, {-32639, -127 * 256, -127}, {127.5F, 256, -128}, {128.5F, 256, -128},
      {-128, 0, -128},         {-129, -256, 127},          {0.5F, 0, 0},        {1.5F, 0, 2}};
  const LineColumns columns(WeightFormat::kMXFP4);
  std::vector<float> x(32);
  for (size_t m = 0; m < values.size(); ++m) x[columns.first(0, m)] = values[m][0];
  const Paired paired(x, 1, 32, WeightFormat::kMXFP4);
  for (size_t m = 0; m < values.size(); ++m) {
    EXPECT_EQ(bf16_to_float(paired.values[2 * m]), values[m][1]) << values[m][0];
    EXPECT_EQ(bf16_to_float(paired.values[32 + 2 * m]), values[m][2]) << values[m][0];
  }
}

TEST(BF16Pairs, RoundToSixteenBits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {
      1.00390625F, 3.14159274F,  -0x1.fffffep127F, 0x1.fffffep-61F,
      -0x1p-60F,   0x1.01fp-60F, -kInfinity,       std::numeric_limits<float>::quiet_NaN()};
  const LineColumns columns(WeightFormat::kFP8);
  std::vector<float> x(32);
  for (size_t m = 0; m < values.size(); ++m) x[columns.second(0, m)] = values[m];
  const Paired paired(x, 1, 32, WeightFormat::kFP8);
  const auto hi = [&](size_t m) { return bf16_to_float(paired.values[2 * m + 1]); };
  const auto lo = [&](size_t m) { return bf16_to_float(paired.values[32 + 2 * m + 1]); };
  EXPECT_EQ(hi(0) + lo(0), 1.00390625F);
  EXPECT_NEAR(hi(1) + lo(1), 3.14159274F, 0x1p-16);
  EXPECT_EQ(hi(2), -kInfinity);  // the nearest
  EXPECT_EQ(lo(2), 0.0F);
  EXPECT_EQ(hi(3), 0.0F);
  EXPECT_EQ(lo(3), 0.0F);
  EXPECT_EQ(hi(4), -0x1p-60F);
  EXPECT_EQ(hi(5) + lo(5), 0x1.01fp-60F);
  EXPECT_EQ(hi(6), -kInfinity);
  EXPECT_EQ(lo(6), 0.0F);
  EXPECT_TRUE(std::isnan(hi(7)));
  EXPECT_EQ(lo(7), 0.0F);
}

// ---- what is faster, beside the portable version

class PairKernels : public testing::TestWithParam<std::tuple<WeightFormat, size_t>> {
 protected:
  void SetUp() override {
    if (!has_amx()) GTEST_SKIP() << "this machine has no AMX for bf16";
  }
  static WeightFormat format() { return std::get<0>(GetParam()); }
  static size_t tokens() { return std::get<1>(GetParam()); }

  static std::vector<float> product(const WeightMatrix& w, const Paired& x) {
    std::vector<float> y(x.view.tokens() * w.rows);
    amx_pair_matmul_rows(w, 0, w.rows, x.view, 0, y.data(), w.rows);
    return y;
  }
};
// Up to a tile of tokens, which are multiplied in a way of their own; several tiles, of which the fewer there
// are the more rows are decoded with each block; and more than are taken at once.
INSTANTIATE_TEST_SUITE_P(Every, PairKernels,
                         testing::Combine(testing::Values(WeightFormat::kFP8, WeightFormat::kMXFP4),
                                          testing::Values(1, 16, 40, 120, 140)),
                         [](const auto& tested) {
                           return std::string(weight_format_name(std::get<0>(tested.param))) + "_" +
                                  std::to_string(std::get<1>(tested.param));
                         });

TEST_P(PairKernels, HaveTheBitsOfThePortableVersionInEveryShape) {
  for (const uint32_t rows : {1, 16, 37, 140}) {
    for (const uint32_t cols : {32, 96, 160, 544}) {
      const auto stored = random_weights(format(), rows, cols, 1);
      const Paired x(random_tokens(tokens(), cols), tokens(), cols, format());
      EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), portable_product(stored.matrix, x)))
          << rows << " x " << cols;
    }
  }
}

TEST_P(PairKernels, TakeMoreRowsThanAreMultipliedAtOnce) {
  const auto stored = random_weights(format(), 1100, 64, 1);
  const Paired x(random_tokens(tokens(), 64), tokens(), 64, format());
  EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), portable_product(stored.matrix, x)));
}

// Rows that begin in one block of scales and end in the next.
TEST_P(PairKernels, RangesOfRowsAndLinesAddressTheSameProducts) {
  const auto stored = random_weights(format(), 300, 128, 1);
  const Paired x(random_tokens(tokens(), 416), tokens(), 416, format());
  std::vector<float> expected(tokens() * 300, -1.0F);
  auto found = expected;
  pair_matmul_rows(stored.matrix, 117, 261, x.view, 2, expected.data(), 300);
  amx_pair_matmul_rows(stored.matrix, 117, 261, x.view, 2, found.data(), 300);
  EXPECT_TRUE(same_bits_but_for_nan(found, expected));
}

// Tiles have rows behind these, to which no scales belong.
TEST_P(PairKernels, TakeNoScalesFromBehindTheLast) {
  const auto stored = random_weights(format(), 120, 128, 1);
  const Paired x(random_tokens(tokens(), 128), tokens(), 128, format());
  std::vector<float> expected(tokens() * 120);
  auto found = expected;
  pair_matmul_rows(stored.matrix, 117, 120, x.view, 0, expected.data(), 120);
  amx_pair_matmul_rows(stored.matrix, 117, 120, x.view, 0, found.data(), 120);
  EXPECT_TRUE(same_bits_but_for_nan(found, expected));
}

// Each row has one code, or one with every other one, so that a row's line has such as are looked up, or has
// none, or both.
TEST_P(PairKernels, KnowEveryCode) {
  StoredWeights stored = random_weights(format(), 512, 160, 1);
  const size_t row_bytes = weight_values_bytes(format(), 1, 160);
  for (size_t i = 0; i < 512 * row_bytes; ++i) {
    const size_t row = i / row_bytes;
    const size_t other = row < 256 ? row : i % row_bytes;
    stored.values[i + 1] = static_cast<std::byte>(i % 3 == 0 ? other : row);
  }
  const size_t count = std::min<size_t>(tokens(), 17);
  const Paired x(random_tokens(count, 160), count, 160, format());
  // Scales that decoders take, and the ends of those.
  for (const int scale : {96, 120, 159}) {
    std::ranges::fill(stored.scales, static_cast<std::byte>(scale));
    const auto expected = portable_product(stored.matrix, x);
    EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), expected)) << scale;
    for (const auto& [begin, end] : {std::pair<size_t, size_t>{0, 127}, {128, 255}, {1, 8}, {64, 80}}) {
      std::vector<float> some(expected.size());
      amx_pair_matmul_rows(stored.matrix, begin, end, x.view, 0, some.data(), 512);
      for (size_t i = 0; i < some.size(); ++i) {
        const bool is_within = i % 512 >= begin && i % 512 < end;
        const float what = is_within ? expected[i] : 0.0F;
        ASSERT_EQ(std::bit_cast<uint32_t>(some[i]), std::bit_cast<uint32_t>(what)) << i;
      }
    }
  }
}

// As trained weights are: hardly any subnormal number.
TEST_P(PairKernels, TakeLinesWithoutSubnormalNumbers) {
  for (const uint32_t rows : {16, 37, 140}) {
    StoredWeights stored = random_weights(format(), rows, 544, 1);
    std::mt19937 random(rows);
    for (auto& byte : stored.values) {
      if (random() % 500 != 0 && (byte & std::byte{0x78}) == std::byte{0}) byte |= std::byte{0x08};
    }
    const Paired x(random_tokens(tokens(), 544), tokens(), 544, format());
    EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), portable_product(stored.matrix, x))) << rows;
  }
}

TEST_P(PairKernels, KnowEveryCodeAndScale) {
  StoredWeights stored = random_weights(format(), 300, 256, 1);
  std::mt19937 random(5);
  for (auto& byte : stored.values) byte = static_cast<std::byte>(random());
  for (size_t i = 0; i < stored.scales.size(); ++i) stored.scales[i] = static_cast<std::byte>(i * 37);
  const Paired x(random_tokens(tokens(), 256), tokens(), 256, format());
  EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), portable_product(stored.matrix, x)));
}

// Scales on both sides of what decoders take, and the smallest activations there are or large ones.
TEST_P(PairKernels, HaveTheseBitsAtTheEndsOfTheRangeToo) {
  for (const int scale : {0, 1, 95, 96, 97, 158, 159, 160, 161, 254, 255}) {
    StoredWeights stored = random_weights(format(), 20, 96, 1);
    std::ranges::fill(stored.scales, static_cast<std::byte>(scale));
    auto values = random_tokens(tokens(), 96);
    for (float& value : values) value *= scale < 100 ? 0x1p-57F : 0x1p-3F;
    const Paired x(values, tokens(), 96, format());
    EXPECT_TRUE(same_bits_but_for_nan(product(stored.matrix, x), portable_product(stored.matrix, x)))
        << scale;
  }
}

TEST(AVX512Pairs, AreRoundedToTheBitsOfThePortableVersion) {
  if (!has_avx512_bf16()) GTEST_SKIP() << "this machine has no AVX512 for bf16";
  constexpr size_t kCols = 96;
  auto x = random_tokens(33, kCols);
  std::mt19937 random(3);
  for (size_t i = 0; i < x.size(); i += 3) x[i] = std::bit_cast<float>(static_cast<uint32_t>(random()));
  for (const WeightFormat format : {WeightFormat::kFP8, WeightFormat::kMXFP4}) {
    for (const size_t tokens : {1, 16, 33}) {
      const Paired expected(x, tokens, kCols, format);
      const Paired found(x, tokens, kCols, format, avx512_pair_tokens);
      EXPECT_EQ(found.values, expected.values) << weight_format_name(format) << ", " << tokens;
    }
  }
}

}  // namespace
}  // namespace sluice
