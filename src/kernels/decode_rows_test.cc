#include "kernels/decode_rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace sluice {
namespace {

class DecodeRowsFormats : public testing::TestWithParam<WeightFormat> {};

TEST_P(DecodeRowsFormats, EqualsTheScalarDefinitionBitForBitForEveryCodeAndScale) {
  const WeightFormat format = GetParam();
  constexpr uint32_t kRows = 260;                                    // more than two blocks of scales
  const uint32_t cols = format == WeightFormat::kMXFP4 ? 288 : 291;  // ragged where the format allows it
  std::vector<std::byte> values(weight_values_bytes(format, kRows, cols) + 1);
  std::vector<std::byte> scales(weight_scales_bytes(format, kRows, cols));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::byte>(i * 7 + i / 256);                                  // all codes
  for (size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<std::byte>(i * 37);  // all scales
  const WeightMatrix matrix{format, kRows, cols, values.data() + 1, scales.data()};  // unaligned on purpose
  std::vector<float> found(size_t{kRows} * cols);
  decode_rows(matrix, 0, kRows, found.data());
  std::vector<float> expected(cols);
  for (uint32_t row = 0; row < kRows; ++row) {
    decode_row(matrix, row, expected.data());
    for (uint32_t c = 0; c < cols; ++c) {
      const float value = found[size_t{row} * cols + c];
      if (expected[c] != expected[c]) {
        ASSERT_NE(value, value) << row << "," << c;  // NaN where the definition says so
      } else {
        ASSERT_EQ(std::memcmp(&value, &expected[c], sizeof(float)), 0) << row << "," << c;
      }
    }
  }
}

TEST_P(DecodeRowsFormats, StartsAtTheRowAskedFor) {
  constexpr uint32_t kRows = 140;
  constexpr uint32_t kCols = 160;
  std::vector<std::byte> values(weight_values_bytes(GetParam(), kRows, kCols), std::byte{0x31});
  std::vector<std::byte> scales(weight_scales_bytes(GetParam(), kRows, kCols));
  for (size_t i = 0; i < scales.size(); ++i) scales[i] = static_cast<std::byte>(100 + i % 50);
  const WeightMatrix matrix{GetParam(), kRows, kCols, values.data(), scales.data()};
  std::vector<float> all(size_t{kRows} * kCols);
  std::vector<float> some(size_t{5} * kCols);
  decode_rows(matrix, 0, kRows, all.data());
  decode_rows(matrix, 126, 5, some.data());
  EXPECT_EQ(std::memcmp(some.data(), all.data() + size_t{126} * kCols, some.size() * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Every, DecodeRowsFormats,
                         testing::Values(WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kFP8,
                                         WeightFormat::kMXFP4),
                         [](const auto& tested) { return std::string(weight_format_name(tested.param)); });

}  // namespace
}  // namespace sluice
