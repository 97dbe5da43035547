#include "kernels/fixed_point.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/simd_target.h"
#include "kernels/vnni_fixed_point.h"
#include "kernels/weights_testing.h"
#include "numerics/codec.h"

namespace sluice {
namespace {

std::vector<FixedGroup> rounded(const std::vector<float>& x, size_t tokens, size_t cols) {
  const size_t groups = groups_of(cols);
  std::vector<FixedGroup> fixed(tokens * groups);
  for (size_t t = 0; t < tokens; ++t) round_to_fixed(x.data() + t * cols, cols, fixed.data() + t * groups);
  return fixed;
}

// Calls `check(name, multiply)` with every kernel that this machine has for so many tokens.
template <class Check>
void with_each_kernel(size_t tokens, Check check) {
  check("portable", fixed_matmul_rows);
  if (has_vnni() && tokens >= 1 && tokens <= kMostVNNITokens) check("VNNI", vnni_fixed_matmul_rows);
}

// The definition in fixed_point.h, one step after another. The scales hold 2^-9 for the weights' integers,
// which changes no digit.
struct RoundedBlock {
  std::array<int32_t, 32> integers{};
  float scale = 0;
};

RoundedBlock round_block(const float* x, size_t count) {
  RoundedBlock block;
  float largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(x[i]));
  const float to_integer = 32767.0F / largest;
  for (size_t i = 0; i < count; ++i) {
    block.integers[i] = static_cast<int32_t>(std::nearbyint(x[i] * to_integer));
    EXPECT_LE(std::abs(block.integers[i]), 32767);
  }
  block.scale = largest * (1 / (32767.0F * 512.0F));
  return block;
}

float product_as_told(const WeightMatrix& w, uint32_t row, const float* x) {
  std::array<float, 16> lanes{};
  for (size_t first = 0; first < w.cols; first += 32) {
    const RoundedBlock inputs = round_block(x + first, 32);
    const size_t at = row * size_t{w.cols} + first;
    const float scale = e8m0_to_float(static_cast<uint8_t>(w.scales[at / 32]));
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      int64_t sum = 0;
      for (size_t i = 8 * quarter; i < 8 * quarter + 8; ++i) {
        const auto both = static_cast<uint8_t>(w.values[(at + i) / 2]);
        const auto code = static_cast<uint8_t>(i % 2 == 0 ? both & 15 : both >> 4);
        sum += static_cast<int64_t>(512 * e2m1_to_float(code)) * inputs.integers[i];
      }
      float& lane = lanes[first % 128 / 8 + quarter];
      lane = std::fma(static_cast<float>(sum), scale * inputs.scale, lane);
    }
  }
  for (size_t stride = 8; stride > 0; stride /= 2) {
    for (size_t lane = 0; lane < stride; ++lane) lanes[lane] += lanes[lane + stride];
  }
  return lanes[0];
}

class FixedPointShapes : public testing::TestWithParam<uint32_t> {};

TEST_P(FixedPointShapes, ComputesWhatIsWrittenDownToTheBitForAnyNumberOfTokens) {
  if (!fuses_multiply_and_add()) GTEST_SKIP() << "this machine rounds between multiplying and adding";
  const uint32_t cols = GetParam();
  constexpr uint32_t kRows = 37;
  constexpr size_t kMostTokens = 100;
  const auto stored = random_weights(WeightFormat::kMXFP4, kRows, cols, 1);
  const auto x = random_tokens(kMostTokens, cols);
  const auto fixed = rounded(x, kMostTokens, cols);
  std::vector<float> expected(kMostTokens * kRows);
  for (size_t t = 0; t < kMostTokens; ++t) {
    for (uint32_t r = 0; r < kRows; ++r)
      expected[t * kRows + r] = product_as_told(stored.matrix, r, x.data() + t * cols);
  }
  for (const size_t tokens : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 100}) {
    with_each_kernel(tokens, [&](const char* name, auto multiply) {
      std::vector<float> y(tokens * kRows);
      multiply(stored.matrix, 0, kRows, fixed.data(), tokens, y.data(), kRows);
      EXPECT_TRUE(std::equal(y.begin(), y.end(), expected.begin())) << tokens << " tokens, " << name;
    });
  }
}

TEST_P(FixedPointShapes, IsNearTheProductInDoubleArithmetic) {
  const uint32_t cols = GetParam();
  constexpr uint32_t kRows = 11;
  const auto stored = random_weights(WeightFormat::kMXFP4, kRows, cols);
  const auto x = random_tokens(2, cols);
  std::vector<float> y(2 * kRows);
  fixed_matmul_rows(stored.matrix, 0, kRows, rounded(x, 2, cols).data(), 2, y.data(), kRows);
  std::vector<float> row(cols);
  for (uint32_t r = 0; r < kRows; ++r) {
    decode_row(stored.matrix, r, row.data());
    for (size_t t = 0; t < 2; ++t) {
      double sum = 0;
      double allowed = 0;  // half a step of every block, times its weights; and float32's own rounding
      for (uint32_t c = 0; c < cols; ++c) {
        const float* block = x.data() + t * cols + c / 32 * 32;
        double largest = 0;
        for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(double{block[i]}));
        sum += double{row[c]} * double{block[c % 32]};
        allowed += std::abs(double{row[c]}) * largest * (0.5 / 32767 + 1e-6);
      }
      EXPECT_NEAR(y[t * kRows + r], sum, allowed) << r << "," << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, FixedPointShapes, testing::Values(32, 64, 96, 128, 160, 512, 544, 1056));

TEST(FixedPoint, RowRangesAndStridesAddressTheSameProducts) {
  constexpr uint32_t kRows = 40;
  constexpr uint32_t kCols = 256;
  const auto stored = random_weights(WeightFormat::kMXFP4, kRows, kCols);
  const auto fixed = rounded(random_tokens(3, kCols), 3, kCols);
  with_each_kernel(3, [&](const char* name, auto multiply) {
    std::vector<float> packed(3 * kRows);
    multiply(stored.matrix, 0, kRows, fixed.data(), 3, packed.data(), kRows);
    std::vector<float> strided(3 * 100, -1.0F);
    multiply(stored.matrix, 5, 22, fixed.data(), 3, strided.data(), 100);
    for (size_t i = 0; i < strided.size(); ++i) {
      const bool inside = i % 100 >= 5 && i % 100 < 22;
      EXPECT_EQ(strided[i], inside ? packed[i / 100 * kRows + i % 100] : -1.0F) << name << ", " << i;
    }
  });
}

// A slot has an expert's parts wherever they were in their file.
TEST(FixedPoint, CodesMayBeginAtAnyAddress) {
  constexpr uint32_t kRows = 5;
  for (const uint32_t cols : {64U, 128U, 672U, 1024U}) {
    const StoredWeights stored = random_weights(WeightFormat::kMXFP4, kRows, cols);
    for (const size_t tokens : {1U, 3U}) {
      const auto fixed = rounded(random_tokens(tokens, cols), tokens, cols);
      std::vector<float> expected(tokens * kRows);
      fixed_matmul_rows(stored.matrix, 0, kRows, fixed.data(), tokens, expected.data(), kRows);
      for (const size_t offset : {0U, 1U, 8U, 40U, 63U}) {
        std::vector<std::byte> moved(offset + stored.values.size());
        std::copy(stored.values.begin(), stored.values.end(), moved.begin() + static_cast<ptrdiff_t>(offset));
        WeightMatrix matrix = stored.matrix;
        matrix.values = moved.data() + offset;
        with_each_kernel(tokens, [&](const char* name, auto multiply) {
          std::vector<float> y(tokens * kRows);
          multiply(matrix, 0, kRows, fixed.data(), tokens, y.data(), kRows);
          EXPECT_EQ(y, expected) << name << ", " << cols << " columns, " << offset;
        });
      }
    }
  }
}

TEST(FixedPoint, ABlockOfZerosOrNextToNothingIsZero) {
  const auto stored = random_weights(WeightFormat::kMXFP4, 4, 64);
  for (const float value : {0.0F, -0.0F, 0x1p-149F, 0x1p-101F}) {
    std::vector<float> y(4, -1.0F);
    fixed_matmul_rows(stored.matrix, 0, 4, rounded(std::vector<float>(64, value), 1, 64).data(), 1, y.data(),
                      4);
    EXPECT_EQ(y, std::vector<float>(4, 0.0F)) << value;
  }
}

// What is not a number must not become one.
TEST(FixedPoint, InfinityAndNanStayWhatNoNumberIs) {
  const auto stored = random_weights(WeightFormat::kMXFP4, 4, 128);
  for (const float value : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    for (const size_t place : {0U, 31U, 77U, 127U}) {
      auto x = random_tokens(2, 128);
      x[place] = value;
      with_each_kernel(2, [&](const char* name, auto multiply) {
        std::vector<float> y(8);
        multiply(stored.matrix, 0, 4, rounded(x, 2, 128).data(), 2, y.data(), 4);
        for (size_t r = 0; r < 4; ++r) {
          EXPECT_TRUE(std::isnan(y[r])) << name << ", " << place;
          EXPECT_TRUE(std::isfinite(y[4 + r])) << name << ", " << place;
        }
      });
    }
  }
}

// A row that does not fill its last group is followed by the next row's codes and scales.
TEST(FixedPoint, AScaleThatIsNanStaysInItsRow) {
  constexpr uint32_t kRows = 6;
  for (const uint32_t cols : {32U, 64U, 96U, 160U}) {
    const StoredWeights stored = random_weights(WeightFormat::kMXFP4, kRows, cols);
    StoredWeights damaged = random_weights(WeightFormat::kMXFP4, kRows, cols);
    const size_t blocks = cols / 32;
    for (const size_t row : {1U, 3U, 5U}) {
      for (size_t b = 0; b < blocks; ++b) damaged.scales[row * blocks + b] = std::byte{255};
    }
    for (const size_t tokens : {1U, 2U, 9U}) {
      const auto fixed = rounded(random_tokens(tokens, cols), tokens, cols);
      with_each_kernel(tokens, [&](const char* name, auto multiply) {
        std::vector<float> expected(tokens * kRows);
        std::vector<float> y(tokens * kRows);
        multiply(stored.matrix, 0, kRows, fixed.data(), tokens, expected.data(), kRows);
        multiply(damaged.matrix, 0, kRows, fixed.data(), tokens, y.data(), kRows);
        for (size_t i = 0; i < y.size(); ++i) {
          if (i % kRows % 2 == 0) {
            EXPECT_EQ(y[i], expected[i]) << name << ", " << cols << " columns, " << i;
          } else {
            EXPECT_FALSE(std::isfinite(y[i])) << name << ", " << cols << " columns, " << i;
          }
        }
      });
    }
  }
}

TEST(FixedPoint, AScaleThatIsNanIsNoNumberAndTheSmallestOneIsExact) {
  StoredWeights stored = random_weights(WeightFormat::kMXFP4, 2, 128);
  stored.scales.assign(stored.scales.size(), std::byte{0});  // 2^-127
  stored.scales[5] = std::byte{255};                         // of the second row
  const std::vector<float> x(128, 0x1p60F);
  std::vector<float> row(128);
  decode_row(stored.matrix, 0, row.data());
  double sum = 0;
  for (const float value : row) sum += value;
  with_each_kernel(1, [&](const char* name, auto multiply) {
    std::vector<float> y(2);
    multiply(stored.matrix, 0, 2, rounded(x, 1, 128).data(), 1, y.data(), 2);
    EXPECT_FLOAT_EQ(y[0], static_cast<float>(sum * 0x1p60)) << name;
    EXPECT_FALSE(std::isfinite(y[1])) << name;
  });
}

}  // namespace
}  // namespace sluice
