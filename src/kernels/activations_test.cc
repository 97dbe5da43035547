#include "kernels/activations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/matmul.h"
#include "kernels/simd_target.h"
#include "kernels/weights_testing.h"

namespace sluice {
namespace {

constexpr uint32_t kRows = 1100;  // so many that also one token's product is shared among threads
constexpr uint32_t kCols = 1024;

// Activations with scratch memory of their own.
struct Held {
  struct alignas(64) Line {
    float floats[16];
  };
  std::vector<Line> scratch;
  Activations activations;

  Held(ThreadPool& pool, Numerics numerics, WeightFormat format, const float* x, size_t tokens, size_t cols)
      : scratch(Activations::scratch_floats(numerics, format, tokens, cols) / 16 + 1),
        activations(pool, numerics, format, x, tokens, cols, scratch.front().floats) {}
};

class ActivationsOf : public testing::TestWithParam<WeightFormat> {};
INSTANTIATE_TEST_SUITE_P(Every, ActivationsOf,
                         testing::Values(WeightFormat::kBF16, WeightFormat::kFP8, WeightFormat::kMXFP4),
                         [](const auto& tested) { return std::string(weight_format_name(tested.param)); });

TEST_P(ActivationsOf, InFastNumericsBitsDoNotDependOnTokensOrThreads) {
  constexpr size_t kMostTokens = 35;
  const auto stored = random_weights(GetParam(), kRows, kCols);
  const auto x = random_tokens(kMostTokens, kCols);
  const auto product = [&](size_t threads, size_t first, size_t tokens) {
    ThreadPool pool(threads);
    const Held held(pool, Numerics::kFast, GetParam(), x.data() + first * kCols, tokens, kCols);
    std::vector<float> y(tokens * kRows);
    multiply(pool, held.activations, stored.matrix, y.data());
    return y;
  };
  const auto together = product(1, 0, kMostTokens);
  EXPECT_EQ(product(4, 0, kMostTokens), together);
  for (const size_t tokens : {1, 2, 5, 16, 17, 33}) {
    const size_t first = kMostTokens - tokens;
    const std::vector<float> expected(together.begin() + static_cast<ptrdiff_t>(first * kRows),
                                      together.end());
    EXPECT_EQ(product(3, first, tokens), expected) << tokens << " tokens";
  }
}

TEST_P(ActivationsOf, InExactNumericsAreMatmuls) {
  const auto stored = random_weights(GetParam(), kRows, kCols);
  ThreadPool pool(2);
  for (const size_t tokens : {1, 3, 8, 40}) {
    const auto x = random_tokens(tokens, kCols);
    const Held held(pool, Numerics::kExact, GetParam(), x.data(), tokens, kCols);
    std::vector<float> y(tokens * kRows);
    multiply(pool, held.activations, stored.matrix, y.data());
    std::vector<float> expected(y.size());
    matmul(pool, stored.matrix, x.data(), tokens, expected.data());
    EXPECT_EQ(y, expected) << tokens << " tokens";
  }
}

// As the heads' outputs meet the rows of their group.
class ProductsTogether : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Of, ProductsTogether, testing::Values(1, 8, 19), testing::PrintToStringParamName());

TEST_P(ProductsTogether, TakePartsOfTheirColumns) {
  const size_t tokens = GetParam();
  const auto stored = random_weights(WeightFormat::kFP8, kRows, kCols);
  const auto x = random_tokens(tokens, 2 * kCols);
  ThreadPool pool(2);
  for (const Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    const Held both(pool, numerics, WeightFormat::kFP8, x.data(), tokens, 2 * kCols);
    std::vector<float> y(tokens * kRows, -1.0F);
    const ActivationsProduct products[] = {
        {both.activations, stored.matrix, 0, 500, y.data(), kRows, 0},
        {both.activations, stored.matrix, 500, 1000, y.data(), kRows, kCols}};
    multiply_together(pool, products);
    for (size_t part = 0; part < 2; ++part) {
      std::vector<float> own(tokens * kCols);
      for (size_t t = 0; t < tokens; ++t)
        std::copy_n(x.data() + (2 * t + part) * kCols, kCols, own.data() + t * kCols);
      const Held half(pool, numerics, WeightFormat::kFP8, own.data(), tokens, kCols);
      std::vector<float> expected(tokens * kRows);
      multiply(pool, half.activations, stored.matrix, expected.data());
      for (size_t t = 0; t < tokens; ++t) {
        for (size_t r = part * 500; r < (part + 1) * 500; ++r)
          ASSERT_EQ(y[t * kRows + r], expected[t * kRows + r]) << t << "," << r;
      }
    }
    EXPECT_EQ(y[1000], -1.0F);
  }
}

// Also where they begin or end within what a kernel takes at once, beside columns that are no numbers.
TEST(Activations, MeetWeightsThatHaveSomeOfTheirColumns) {
  constexpr size_t kAll = 224;
  constexpr size_t kSomeRows = 40;
  // Fixed point takes whole rows only.
  const Numerics numerics = uses_amx() ? Numerics::kFast : Numerics::kExact;
  ThreadPool pool(1);
  for (const WeightFormat format : {WeightFormat::kBF16, WeightFormat::kFP8, WeightFormat::kMXFP4}) {
    for (const uint32_t cols : {32, 64, 96, 128}) {
      const auto stored = random_weights(format, kSomeRows, cols);
      for (size_t first_col = 0; first_col + cols <= kAll; first_col += 32) {
        for (const size_t tokens : {1, 3, 19}) {
          auto x = random_tokens(tokens, kAll);
          for (size_t i = 0; i < x.size(); ++i) {
            if (i % kAll < first_col || i % kAll >= first_col + cols) x[i] = NAN;
          }
          const Held held(pool, numerics, format, x.data(), tokens, kAll);
          std::vector<float> y(tokens * kSomeRows);
          held.activations.multiply_rows(stored.matrix, 0, kSomeRows, y.data(), kSomeRows, first_col);
          std::vector<float> expected(y.size());
          matmul_rows(stored.matrix, 0, kSomeRows, x.data() + first_col, kAll, tokens, expected.data(),
                      kSomeRows);
          const float largest = std::abs(*std::ranges::max_element(
              expected, [](float a, float b) { return std::abs(a) < std::abs(b); }));
          for (size_t i = 0; i < y.size(); ++i)
            ASSERT_NEAR(y[i], expected[i], largest * 0x1p-12F) << cols << " from " << first_col;
        }
      }
    }
  }
}

TEST(Activations, KeepForEachThreadWhatItsNumericsAndTheColumnsAskFor) {
  for (const size_t cols : {64U, 4096U, 16384U}) {
    EXPECT_GT(Activations::thread_bytes(Numerics::kFast, cols),
              Activations::thread_bytes(Numerics::kExact, cols));
  }
  EXPECT_GT(Activations::thread_bytes(Numerics::kExact, 4096), 96 * 4096 * sizeof(float));
  // Beyond 8192 columns fewer tokens are packed at once.
  EXPECT_EQ(Activations::thread_bytes(Numerics::kExact, 16384),
            Activations::thread_bytes(Numerics::kExact, 8192));
}

TEST(Activations, MoreTokensNeedNoLessScratch) {
  for (const Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    for (const WeightFormat format : {WeightFormat::kBF16, WeightFormat::kFP8, WeightFormat::kMXFP4}) {
      for (size_t tokens = 1; tokens < 100; ++tokens) {
        EXPECT_LE(Activations::scratch_floats(numerics, format, tokens, 512),
                  Activations::scratch_floats(numerics, format, tokens + 1, 512));
      }
    }
  }
}

}  // namespace
}  // namespace sluice
