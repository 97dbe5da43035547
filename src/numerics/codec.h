// Scalar codecs of the stored number formats. Each decoding is exact in float32.
//
// Sources: bfloat16 is the upper half of an IEEE binary32; half floats are IEEE binary16; E4M3 (no
// infinities, 0x7f and 0xff are NaN) and E8M0 (2^(code-127), 0xff is NaN) are the OCP 8-bit and microscaling
// formats; E2M1 is MXFP4's element.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace sluice {

constexpr float bf16_to_float(uint16_t code) {
  return std::bit_cast<float>(uint32_t{code} << 16);
}

// The nearest, ties to even; NaN stays NaN.
constexpr uint16_t float_to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<uint16_t>(bits >> 16 | 0x40U);
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

constexpr float f16_to_float(uint16_t code) {
  const uint32_t sign = (uint32_t{code} & 0x8000U) << 16;
  const uint32_t magnitude = (uint32_t{code} & 0x7fffU) << 13;
  if (magnitude >= 0x7c00U << 13) return std::bit_cast<float>(sign | 0x7f800000U | magnitude);
  // Moved into a float's exponent field the value is 2^-112 of what it means, subnormals included.
  return std::bit_cast<float>(std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F) | sign);
}

// The nearest, ties to even; NaN stays NaN.
constexpr uint16_t float_to_f16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000U;
  const uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<uint16_t>(sign | 0x7c00U);  // from halfway to 2^16 on
  // Below the smallest normal one, beside a half, a float's last bit is worth what a half float's is.
  if (magnitude < 0x38800000U)
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
                                         std::bit_cast<uint32_t>(0.5F)));
  return static_cast<uint16_t>(sign | (magnitude - 0x38000000U + 0xfffU + (magnitude >> 13 & 1U)) >> 13);
}

constexpr float e4m3_to_float(uint8_t code) {
  if ((code & 0x7f) == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  // Moved into a float's exponent field the value is 2^-120 of what it means, subnormals included.
  const uint32_t bits = (uint32_t{code} & 0x80) << 24 | (uint32_t{code} & 0x7f) << 20;
  return std::bit_cast<float>(bits) * 0x1p120F;
}

constexpr float e8m0_to_float(uint8_t code) {
  if (code == 0xff) return std::numeric_limits<float>::quiet_NaN();
  if (code == 0) return 0x1p-127F;  // below the smallest normal float
  return std::bit_cast<float>(uint32_t{code} << 23);
}

// `code` 0...15: bit 3 is the sign.
constexpr float e2m1_to_float(uint8_t code) {
  constexpr std::array<float, 8> kMagnitudes = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};
  const float magnitude = kMagnitudes[code & 7];
  return (code & 8) != 0 ? -magnitude : magnitude;
}

}  // namespace sluice
