// Scalar codecs of the stored number formats. Each decoding is exact in float32.
//
// Sources: bfloat16 is the upper half of an IEEE binary32; E4M3 (no infinities, 0x7f and 0xff are NaN) and
// E8M0 (2^(code-127), 0xff is NaN) are the OCP 8-bit and microscaling formats; E2M1 is MXFP4's element.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace sluice {

constexpr float bf16_to_float(uint16_t code) {
  return std::bit_cast<float>(uint32_t{code} << 16);
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
