#include "kernels/matmul.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/simd_target.h"
#include "kernels/weights_testing.h"

namespace sluice {
namespace {

class MatmulFormats : public testing::TestWithParam<WeightFormat> {};

TEST_P(MatmulFormats, AgreesWithDoubleArithmeticOnRaggedShapes) {
  constexpr uint32_t kRows = 139;
  const uint32_t cols = GetParam() == WeightFormat::kMXFP4 ? 224 : 203;
  constexpr size_t kTokens = 7;
  const auto stored = random_weights(GetParam(), kRows, cols, 1);
  const auto x = random_tokens(kTokens, cols);
  std::vector<float> y(kTokens * kRows);
  ThreadPool pool(2);
  matmul(pool, stored.matrix, x.data(), kTokens, y.data());
  std::vector<float> row(cols);
  for (uint32_t r = 0; r < kRows; ++r) {
    decode_row(stored.matrix, r, row.data());
    for (size_t t = 0; t < kTokens; ++t) {
      double sum = 0;
      double magnitude = 0;
      for (uint32_t c = 0; c < cols; ++c) {
        const double product = double{row[c]} * double{x[t * cols + c]};
        sum += product;
        magnitude += std::abs(product);
      }
      EXPECT_NEAR(y[t * kRows + r], sum, magnitude * 1e-6) << r << "," << t;
    }
  }
}

TEST_P(MatmulFormats, BitsDoNotDependOnTokensThreadsOrPlace) {
  constexpr uint32_t kRows = 1100;  // so many that also one token's product is shared among threads
  constexpr uint32_t kCols = 1024;
  constexpr size_t kTokens = 9;
  const auto aligned = random_weights(GetParam(), kRows, kCols);
  const auto x = random_tokens(kTokens, kCols);
  ASSERT_LT(rows_per_task(aligned.matrix, 1, 2), kRows);
  ThreadPool one(1);
  ThreadPool four(4);
  std::vector<float> together(kTokens * kRows);
  matmul(one, aligned.matrix, x.data(), kTokens, together.data());
  for (size_t t = 0; t < kTokens; ++t) {
    std::vector<float> alone(kRows);
    matmul(four, aligned.matrix, x.data() + t * kCols, 1, alone.data());
    for (uint32_t r = 0; r < kRows; ++r) EXPECT_EQ(alone[r], together[t * kRows + r]) << r << "," << t;
  }
  std::vector<std::byte> moved(aligned.values.size() + 3);
  std::copy(aligned.values.begin(), aligned.values.end(), moved.begin() + 3);
  WeightMatrix elsewhere = aligned.matrix;
  elsewhere.values = moved.data() + 3;
  std::vector<float> again(kTokens * kRows);
  matmul(four, elsewhere, x.data(), kTokens, again.data());
  EXPECT_EQ(again, together);
}

// A slot has an expert's parts wherever they were in their file.
TEST_P(MatmulFormats, OneTokensWeightsMayBeginAtAnyAddress) {
  constexpr uint32_t kRows = 5;
  for (const uint32_t cols : {32U, 128U, 512U, 672U, 1024U}) {
    const StoredWeights stored = random_weights(GetParam(), kRows, cols);
    const auto x = random_tokens(1, cols);
    std::vector<float> expected(kRows);
    matmul_rows(stored.matrix, 0, kRows, x.data(), cols, 1, expected.data(), kRows);
    for (const size_t offset : {1U, 8U, 40U, 63U}) {
      std::vector<std::byte> moved(offset + stored.values.size());
      std::copy(stored.values.begin(), stored.values.end(), moved.begin() + static_cast<ptrdiff_t>(offset));
      WeightMatrix matrix = stored.matrix;
      matrix.values = moved.data() + offset;
      std::vector<float> y(kRows);
      matmul_rows(matrix, 0, 2, x.data(), cols, 1, y.data(), kRows);
      matmul_rows(matrix, 2, kRows, x.data(), cols, 1, y.data(), kRows);
      EXPECT_EQ(y, expected) << cols << " columns, " << offset;
    }
  }
}

// They may be the first and the last that a process is allowed to read.
TEST_P(MatmulFormats, ReadsNoPageThatWeightsAreNotIn) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t room_bytes = 4 * page_bytes;
  void* const pages = mmap(nullptr, page_bytes + room_bytes + page_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  std::byte* const room = static_cast<std::byte*>(pages) + page_bytes;
  ASSERT_EQ(mprotect(pages, page_bytes, PROT_NONE), 0);
  ASSERT_EQ(mprotect(room + room_bytes, page_bytes, PROT_NONE), 0);
  constexpr uint32_t kRows = 3;
  for (const uint32_t cols : {32U, 128U, 288U, 512U, 1024U}) {
    const StoredWeights stored = random_weights(GetParam(), kRows, cols);
    for (const size_t tokens : {1U, 2U, 9U}) {
      const auto x = random_tokens(tokens, cols);
      std::vector<float> expected(tokens * kRows);
      matmul_rows(stored.matrix, 0, kRows, x.data(), cols, tokens, expected.data(), kRows);
      for (std::byte* const place : {room, room + room_bytes - stored.values.size()}) {
        std::copy(stored.values.begin(), stored.values.end(), place);
        WeightMatrix matrix = stored.matrix;
        matrix.values = place;
        std::vector<float> y(tokens * kRows);
        matmul_rows(matrix, 0, kRows, x.data(), cols, tokens, y.data(), kRows);
        EXPECT_EQ(y, expected) << tokens << " tokens, " << cols << " columns";
      }
    }
  }
  munmap(pages, page_bytes + room_bytes + page_bytes);
}

// A row that does not fill its last group is followed by the next row's codes and scales.
TEST(Matmul, AScaleThatIsNanStaysInItsRow) {
  constexpr uint32_t kRows = 6;
  for (const uint32_t cols : {32U, 96U, 160U, 608U}) {
    const StoredWeights stored = random_weights(WeightFormat::kMXFP4, kRows, cols);
    StoredWeights damaged = random_weights(WeightFormat::kMXFP4, kRows, cols);
    const size_t blocks = cols / 32;
    for (const size_t row : {1U, 3U, 5U}) std::fill_n(&damaged.scales[row * blocks], blocks, std::byte{255});
    for (const size_t tokens : {1U, 2U, 9U}) {
      const auto x = random_tokens(tokens, cols);
      std::vector<float> expected(tokens * kRows);
      std::vector<float> y(tokens * kRows);
      matmul_rows(stored.matrix, 0, kRows, x.data(), cols, tokens, expected.data(), kRows);
      matmul_rows(damaged.matrix, 0, kRows, x.data(), cols, tokens, y.data(), kRows);
      for (size_t i = 0; i < y.size(); ++i) {
        if (i % kRows % 2 == 0) {
          EXPECT_EQ(y[i], expected[i]) << tokens << " tokens, " << cols << " columns, " << i;
        } else {
          EXPECT_FALSE(std::isfinite(y[i])) << tokens << " tokens, " << cols << " columns, " << i;
        }
      }
    }
  }
}

// Some counts are multiplied in registers, others by way of panels; every row at the end of a group too.
TEST_P(MatmulFormats, AsManyTokensAsThereAreHaveTheBitsThatEachHasAlone) {
  constexpr uint32_t kRows = 11;
  constexpr uint32_t kCols = 288;
  constexpr size_t kStride = 300;
  constexpr size_t kMostTokens = 20;
  const auto stored = random_weights(GetParam(), kRows, kCols, 1);
  const auto x = random_tokens(kMostTokens, kStride);
  std::vector<float> alone(kMostTokens * kRows);
  for (size_t t = 0; t < kMostTokens; ++t)
    matmul_rows(stored.matrix, 0, kRows, x.data() + t * kStride, kStride, 1, alone.data() + t * kRows, kRows);
  for (size_t tokens = 0; tokens <= kMostTokens; ++tokens) {
    std::vector<float> expected = alone;
    std::fill(expected.begin() + static_cast<ptrdiff_t>(tokens * kRows), expected.end(), -1.0F);
    std::vector<float> y(alone.size(), -1.0F);
    matmul_rows(stored.matrix, 0, kRows, x.data(), kStride, tokens, y.data(), kRows);
    EXPECT_EQ(y, expected) << tokens << " tokens";
  }
}

TEST_P(MatmulFormats, RowRangesAndStridesAddressTheSameProducts) {
  constexpr uint32_t kRows = 40;
  constexpr uint32_t kCols = 64;
  const auto stored = random_weights(GetParam(), kRows, kCols);
  const auto x = random_tokens(2 * 3, kCols);
  ThreadPool pool(1);
  std::vector<float> packed(kRows);
  matmul(pool, stored.matrix, x.data() + kCols, 1, packed.data());
  std::vector<float> strided(2 * 100, -1.0F);
  matmul_rows(stored.matrix, 5, 21, x.data() + kCols, 2 * kCols, 2, strided.data(), 100);
  for (size_t r = 0; r < 100; ++r) {
    const bool inside = r >= 5 && r < 21;
    EXPECT_EQ(strided[r], inside ? packed[r] : -1.0F) << r;
  }
}

// A product with the identity is the matrix: every code and scale against the scalar definition.
TEST_P(MatmulFormats, WithTheIdentityIsWhatTheScalarDefinitionDecodes) {
  constexpr uint32_t kRows = 260;                                        // more than two blocks of scales
  const uint32_t cols = GetParam() == WeightFormat::kMXFP4 ? 288 : 291;  // ragged where the format allows it
  StoredWeights stored = random_weights(GetParam(), kRows, cols, 1);
  for (size_t i = 0; i < stored.values.size(); ++i) {
    stored.values[i] = static_cast<std::byte>(i * 7 + i / 256);  // all codes
  }
  for (size_t i = 0; i < stored.scales.size(); ++i) stored.scales[i] = static_cast<std::byte>(i * 37);
  std::vector<float> identity(size_t{cols} * cols);
  for (size_t c = 0; c < cols; ++c) identity[c * cols + c] = 1.0F;
  std::vector<float> found(size_t{kRows} * cols);
  matmul_rows(stored.matrix, 0, kRows, identity.data(), cols, cols, found.data(), kRows);
  std::vector<float> expected(cols);
  for (uint32_t row = 0; row < kRows; ++row) {
    decode_row(stored.matrix, row, expected.data());
    const bool is_finite = std::ranges::all_of(expected, [](float value) { return std::isfinite(value); });
    for (uint32_t c = 0; c < cols; ++c) {
      const float value = found[c * kRows + row];
      if (is_finite) {
        ASSERT_EQ(value, expected[c]) << row << "," << c;
      } else {  // 0 times NaN or infinity in every product of the row
        ASSERT_FALSE(std::isfinite(value) && !std::isfinite(expected[c])) << row << "," << c;
      }
    }
  }
}

// A group's column that is a lane's in slice s.
size_t column_told(WeightFormat format, size_t lane, size_t s) {
  switch (format) {
    case WeightFormat::kF32:
      return 16 * s + lane;
    case WeightFormat::kMXFP4:
      return 8 * lane + s;
    default:
      return 32 * (s / 2) + 2 * lane + s % 2;
  }
}

// The order of additions as lanes-inl.h tells it, in scalar arithmetic. Scales are powers of two, so that it
// makes no difference to have them in the weights.
float sum_in_the_order_told(WeightFormat format, std::vector<float> w, std::vector<float> x) {
  const size_t cols = (w.size() + 127) / 128 * 128;
  w.resize(cols);
  x.resize(cols);
  std::array<float, 16> lanes{};
  for (size_t group = 0; group < cols; group += 128) {
    for (size_t lane = 0; lane < 16; ++lane) {
      float products = 0;
      for (size_t s = 0; s < 8; ++s) {
        const size_t c = group + column_told(format, lane, s);
        products = s == 0 ? w[c] * x[c] : std::fma(w[c], x[c], products);
      }
      lanes[lane] += products;
    }
  }
  for (size_t stride = 8; stride > 0; stride /= 2) {
    for (size_t lane = 0; lane < stride; ++lane) lanes[lane] += lanes[lane + stride];
  }
  return lanes[0];
}

TEST_P(MatmulFormats, AddsInTheOrderThatIsWrittenDownWhateverTheWidthOfVectors) {
  if (!fuses_multiply_and_add()) GTEST_SKIP() << "this machine rounds between multiplying and adding";
  constexpr uint32_t kRows = 21;
  const uint32_t cols = GetParam() == WeightFormat::kMXFP4 ? 1120 : 1123;
  const auto stored = random_weights(GetParam(), kRows, cols);
  constexpr size_t kMostTokens = 100;
  const auto x = random_tokens(kMostTokens, cols);
  std::vector<float> row(cols);
  for (const size_t tokens : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{5}, size_t{6}, size_t{7},
                              size_t{8}, size_t{9}, kMostTokens}) {
    std::vector<float> y(tokens * kRows);
    matmul_rows(stored.matrix, 0, kRows, x.data(), cols, tokens, y.data(), kRows);
    for (uint32_t r = 0; r < kRows; ++r) {
      decode_row(stored.matrix, r, row.data());
      for (size_t t = 0; t < tokens; ++t) {
        const auto token = x.begin() + static_cast<ptrdiff_t>(t * cols);
        ASSERT_EQ(y[t * kRows + r], sum_in_the_order_told(GetParam(), row, {token, token + cols}))
            << "row " << r << ", token " << t << " of " << tokens;
      }
    }
  }
}

// Every code, NaN among them, and scales whose products leave the range of floats. Of two tokens weights are
// decoded in registers, of nine to memory.
TEST_P(MatmulFormats, EveryCodeAndScaleGivesTheSameBitsAloneAndTogether) {
  constexpr uint32_t kRows = 300;
  constexpr uint32_t kCols = 256;
  StoredWeights stored = random_weights(GetParam(), kRows, kCols);
  std::mt19937 random(5);
  for (auto& byte : stored.values) byte = static_cast<std::byte>(random());
  for (auto& byte : stored.scales) byte = static_cast<std::byte>(random());
  const auto x = random_tokens(9, kCols);
  std::vector<float> alone(kRows);
  matmul_rows(stored.matrix, 0, kRows, x.data(), kCols, 1, alone.data(), kRows);
  for (const size_t tokens : {2, 9}) {
    std::vector<float> together(tokens * kRows);
    matmul_rows(stored.matrix, 0, kRows, x.data(), kCols, tokens, together.data(), kRows);
    for (uint32_t r = 0; r < kRows; ++r) {
      if (std::isnan(together[r])) {
        EXPECT_TRUE(std::isnan(alone[r])) << r;
      } else {
        EXPECT_EQ(alone[r], together[r]) << r;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Every, MatmulFormats,
                         testing::Values(WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kFP8,
                                         WeightFormat::kMXFP4),
                         [](const auto& tested) { return std::string(weight_format_name(tested.param)); });

}  // namespace
}  // namespace sluice
