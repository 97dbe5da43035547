#include "numerics/codec.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice {
namespace {

// The formats' own definitions, in double arithmetic.
double e4m3_by_definition(int code) {
  const int exponent = code >> 3 & 15;
  const int mantissa = code & 7;
  const double sign = (code & 128) != 0 ? -1 : 1;
  if (exponent == 0) return sign * mantissa / 8.0 * std::exp2(-6);
  return sign * (1 + mantissa / 8.0) * std::exp2(exponent - 7);
}

TEST(Codec, E4M3IsExactForEveryCode) {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_float(static_cast<uint8_t>(code));
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(value, e4m3_by_definition(code)) << code;
      EXPECT_EQ(std::signbit(value), (code & 128) != 0) << code;
    }
  }
}

TEST(Codec, E8M0IsAPowerOfTwoForEveryCode) {
  for (int code = 0; code < 255; ++code) {
    EXPECT_EQ(e8m0_to_float(static_cast<uint8_t>(code)), std::exp2(code - 127.0)) << code;
  }
  EXPECT_TRUE(std::isnan(e8m0_to_float(255)));
}

TEST(Codec, E2M1FollowsItsTable) {
  const float magnitudes[] = {0, .5, 1, 1.5, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    const float expected = code < 8 ? magnitudes[code] : -magnitudes[code - 8];
    EXPECT_EQ(e2m1_to_float(static_cast<uint8_t>(code)), expected) << code;
  }
}

TEST(Codec, BF16IsTheUpperHalfOfAFloat) {
  EXPECT_EQ(bf16_to_float(0x3f80), 1.0F);
  EXPECT_EQ(bf16_to_float(0xc049), -3.140625F);
  EXPECT_TRUE(std::isinf(bf16_to_float(0x7f80)));
}

}  // namespace
}  // namespace sluice
