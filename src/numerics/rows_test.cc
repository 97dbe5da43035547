#include "numerics/rows.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "numerics/codec.h"

namespace sluice {
namespace {

TEST(FloatToBF16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(float_to_bf16(1.0F), 0x3f80);
  EXPECT_EQ(float_to_bf16(-2.5F), 0xc020);
  EXPECT_EQ(float_to_bf16(1.0F + 0x1p-8F), 0x3f80);             // halfway, down to even
  EXPECT_EQ(float_to_bf16(1.0F + 0x3p-8F), 0x3f82);             // halfway, up to even
  EXPECT_EQ(float_to_bf16(1.0F + 0x1p-8F + 0x1p-20F), 0x3f81);  // just above halfway
  EXPECT_EQ(float_to_bf16(0x1.ffp0F + 0x1p-9F), 0x4000);        // carries into the exponent
  EXPECT_EQ(float_to_bf16(-0.0F), 0x8000);
}

TEST(FloatToBF16, KeepsWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(float_to_bf16(kInfinity), 0x7f80);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);  // nearest, as IEEE rounds
  // Whose payload is all in the half that is cut off, and whose rounding would carry into the sign.
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7f800001U)))));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7fffffffU)))));
}

TEST(FloatToBF16, LeavesEveryCodeAsItIs) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = bf16_to_float(static_cast<uint16_t>(code));
    if (!std::isnan(value)) {
      EXPECT_EQ(float_to_bf16(value), code);
    }
  }
}

TEST(FloatToF16, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(float_to_f16(1.0F), 0x3c00);
  EXPECT_EQ(float_to_f16(-2.5F), 0xc100);
  EXPECT_EQ(float_to_f16(1.0F + 0x1p-11F), 0x3c00);             // halfway, down to even
  EXPECT_EQ(float_to_f16(1.0F + 0x3p-11F), 0x3c02);             // halfway, up to even
  EXPECT_EQ(float_to_f16(1.0F + 0x1p-11F + 0x1p-20F), 0x3c01);  // just above halfway
  EXPECT_EQ(float_to_f16(0x1.ffep0F), 0x4000);                  // carries into the exponent
  EXPECT_EQ(float_to_f16(65519.0F), 0x7bff);                    // the largest
  EXPECT_EQ(float_to_f16(65520.0F), 0x7c00);
  EXPECT_EQ(float_to_f16(0x1p-24F), 1);  // the smallest
  EXPECT_EQ(float_to_f16(0x1p-25F), 0);  // halfway to it
  EXPECT_EQ(float_to_f16(0x1.8p-24F), 2);
  EXPECT_EQ(float_to_f16(-1e-30F), 0x8000);
  EXPECT_EQ(float_to_f16(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(std::bit_cast<float>(0x7f800001U)))));
}

TEST(FloatToF16, LeavesEveryCodeAsItIs) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const float value = f16_to_float(static_cast<uint16_t>(code));
    if (!std::isnan(value)) {
      EXPECT_EQ(float_to_f16(value), code);
    }
  }
  EXPECT_EQ(f16_to_float(0x3555), 0x1.554p-2F);
  EXPECT_EQ(f16_to_float(0x0001), 0x1p-24F);
  EXPECT_TRUE(std::isinf(f16_to_float(0x7c00)));
  EXPECT_TRUE(std::isnan(f16_to_float(0x7c01)));
}

TEST(Rows, ComeBackRoundedOnceAndNoMore) {
  const std::array<float, 5> values = {1.0F, -3.14159F, 1e-3F, 5537.0F, 0.1F};
  for (const RowFormat format : {RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16}) {
    std::vector<std::byte> row(values.size() * element_bytes(format));
    encode_row(format, values, row.data());
    std::array<float, 5> decoded{};
    decode_row(format, row.data(), decoded);
    const float largest_error = format == RowFormat::kF32   ? 0.0F
                                : format == RowFormat::kF16 ? 0x1p-11F
                                                            : 0x1p-8F;
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_LE(std::abs(decoded[i] - values[i]), largest_error * std::abs(values[i]));
    }
    std::vector<std::byte> again(row.size());
    encode_row(format, decoded, again.data());
    EXPECT_EQ(again, row);
  }
}

TEST(Rows, AreEncodedInPlaceAsElsewhere) {
  std::vector<float> values(67);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
  std::vector<std::byte> elsewhere(values.size() * 2);
  encode_row(RowFormat::kBF16, values, elsewhere.data());
  auto* const place = reinterpret_cast<std::byte*>(values.data());
  encode_row(RowFormat::kBF16, values, place);
  EXPECT_EQ(std::vector(place, place + elsewhere.size()), elsewhere);
}

}  // namespace
}  // namespace sluice
