#include "numerics/weight_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "numerics/codec.h"

namespace sluice {
namespace {

std::vector<std::byte> random_bytes(size_t count, uint32_t seed, uint8_t below = 255) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random() % below);
  return bytes;
}

uint8_t byte_at(const std::vector<std::byte>& bytes, size_t index) {
  return static_cast<uint8_t>(bytes[index]);
}

TEST(WeightMatrix, FP8RowsUseTheScaleOfTheirBlockAlsoAtRaggedEdges) {
  constexpr uint32_t kRows = 130;
  constexpr uint32_t kCols = 161;  // blocks of 128: 2 x 2, the last ones ragged
  const auto values = random_bytes(kRows * kCols, 1, 0x7f);
  const auto scales = random_bytes(4, 2, 200);
  ASSERT_EQ(weight_values_bytes(WeightFormat::kFP8, kRows, kCols), values.size());
  ASSERT_EQ(weight_scales_bytes(WeightFormat::kFP8, kRows, kCols), scales.size());
  const WeightMatrix matrix{WeightFormat::kFP8, kRows, kCols, values.data(), scales.data()};
  std::vector<float> row(kCols);
  for (const uint32_t r : {0U, 127U, 128U, 129U}) {
    decode_row(matrix, r, row.data());
    for (uint32_t c = 0; c < kCols; ++c) {
      const float scale = e8m0_to_float(byte_at(scales, r / 128 * 2 + c / 128));
      EXPECT_EQ(row[c], e4m3_to_float(byte_at(values, r * kCols + c)) * scale) << r << "," << c;
    }
  }
}

TEST(WeightMatrix, MXFP4LowNibbleIsTheEvenColumn) {
  constexpr uint32_t kRows = 3;
  constexpr uint32_t kCols = 96;
  const auto values = random_bytes(kRows * kCols / 2, 3);
  const auto scales = random_bytes(kRows * 3, 4);
  ASSERT_EQ(weight_values_bytes(WeightFormat::kMXFP4, kRows, kCols), values.size());
  ASSERT_EQ(weight_scales_bytes(WeightFormat::kMXFP4, kRows, kCols), scales.size());
  const WeightMatrix matrix{WeightFormat::kMXFP4, kRows, kCols, values.data(), scales.data()};
  std::vector<float> row(kCols);
  for (uint32_t r = 0; r < kRows; ++r) {
    decode_row(matrix, r, row.data());
    for (uint32_t c = 0; c < kCols; ++c) {
      const uint8_t byte = byte_at(values, (r * kCols + c) / 2);
      const auto nibble = static_cast<uint8_t>(c % 2 == 0 ? byte & 15 : byte >> 4);
      EXPECT_EQ(row[c], e2m1_to_float(nibble) * e8m0_to_float(byte_at(scales, r * 3 + c / 32)))
          << r << "," << c;
    }
  }
}

TEST(WeightMatrix, PlainFormatsDecodeFromAnyAlignment) {
  const std::vector<float> numbers = {1.5F, -2.0F, 3.25F, 0.0F, -0.5F, 8.0F};
  std::vector<std::byte> f32(1 + numbers.size() * 4);
  std::vector<std::byte> bf16(1 + numbers.size() * 2);
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::memcpy(f32.data() + 1 + i * 4, &numbers[i], 4);
    std::memcpy(bf16.data() + 1 + i * 2, reinterpret_cast<const char*>(&numbers[i]) + 2, 2);
  }
  const WeightMatrix wide{WeightFormat::kF32, 2, 3, f32.data() + 1, nullptr};
  const WeightMatrix half{WeightFormat::kBF16, 2, 3, bf16.data() + 1, nullptr};
  std::vector<float> row(3);
  for (const auto& matrix : {wide, half}) {
    for (uint32_t r = 0; r < 2; ++r) {
      decode_row(matrix, r, row.data());
      for (uint32_t c = 0; c < 3; ++c) EXPECT_EQ(row[c], numbers[r * 3 + c]);
    }
  }
}

}  // namespace
}  // namespace sluice
