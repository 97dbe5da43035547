#include "kernels/decode_rows.h"

#include <algorithm>
#include <cstdint>

#include "numerics/codec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/decode_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::RebindToUnsigned<FloatTag>;  // 32 bits a lane
using Floats = hn::Vec<FloatTag>;
using Words = hn::Vec<WordTag>;

// E4M3 codes, one a lane. Moved into a float's exponent field a value is 2^-120 of what it means, subnormals
// included.
Floats floats_of_e4m3(Words codes) {
  const WordTag words;
  const FloatTag floats;
  const auto magnitude = hn::And(codes, hn::Set(words, 0x7fU));
  const auto sign = hn::ShiftLeft<24>(hn::Xor(codes, magnitude));
  const auto value = hn::Mul(hn::BitCast(floats, hn::ShiftLeft<20>(magnitude)), hn::Set(floats, 0x1p120F));
  const auto nan = hn::BitCast(floats, hn::Set(words, 0x7fc00000U));
  const auto is_nan = hn::RebindMask(floats, hn::Eq(magnitude, hn::Set(words, 0x7fU)));
  return hn::IfThenElse(is_nan, nan, hn::Or(value, hn::BitCast(floats, sign)));
}

// E2M1 codes, one a lane: two exponent bits and one of mantissa, 2^-126 of what they mean in a float's
// fields.
Floats floats_of_e2m1(Words codes) {
  const WordTag words;
  const FloatTag floats;
  const auto magnitude = hn::And(codes, hn::Set(words, 7U));
  const auto sign = hn::ShiftLeft<28>(hn::Xor(codes, magnitude));
  const auto value = hn::Mul(hn::BitCast(floats, hn::ShiftLeft<22>(magnitude)), hn::Set(floats, 0x1p126F));
  return hn::Or(value, hn::BitCast(floats, sign));
}

// `count` values that share a scale.
void decode_e4m3_block(const uint8_t* HWY_RESTRICT codes, size_t count, float scale,
                       float* HWY_RESTRICT out) {
  const FloatTag floats;
  const hn::Rebind<uint8_t, FloatTag> bytes;
  const size_t lanes = hn::Lanes(floats);
  const auto factor = hn::Set(floats, scale);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = floats_of_e4m3(hn::PromoteTo(WordTag(), hn::LoadU(bytes, codes + i)));
    hn::StoreU(hn::Mul(value, factor), floats, out + i);
  }
  for (; i < count; ++i) out[i] = e4m3_to_float(codes[i]) * scale;
}

// The 32 columns of an MXFP4 block, from 16 bytes: low nibbles are the even columns.
void decode_e2m1_block(const uint8_t* HWY_RESTRICT pairs, float scale, float* HWY_RESTRICT out) {
  const FloatTag floats;
  const WordTag words;
  const hn::Rebind<uint8_t, FloatTag> bytes;
  const auto factor = hn::Set(floats, scale);
  for (size_t i = 0; i < kMXFP4BlockSize / 2; i += hn::Lanes(floats)) {
    const auto both = hn::PromoteTo(words, hn::LoadU(bytes, pairs + i));
    const auto even = floats_of_e2m1(hn::And(both, hn::Set(words, 15U)));
    const auto odd = floats_of_e2m1(hn::ShiftRight<4>(both));
    hn::StoreInterleaved2(hn::Mul(even, factor), hn::Mul(odd, factor), floats, out + 2 * i);
  }
}

void decode_fp8_row(const uint8_t* codes, const uint8_t* scales, size_t cols, float* out) {
  for (size_t begin = 0; begin < cols; begin += kFP8BlockSize) {
    const size_t count = std::min<size_t>(kFP8BlockSize, cols - begin);
    decode_e4m3_block(codes + begin, count, e8m0_to_float(scales[begin / kFP8BlockSize]), out + begin);
  }
}

void decode_mxfp4_row(const uint8_t* pairs, const uint8_t* scales, size_t cols, float* out) {
  for (size_t begin = 0; begin < cols; begin += kMXFP4BlockSize) {
    decode_e2m1_block(pairs + begin / 2, e8m0_to_float(scales[begin / kMXFP4BlockSize]), out + begin);
  }
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(decode_fp8_row);
HWY_EXPORT(decode_mxfp4_row);

void decode_rows(const WeightMatrix& matrix, size_t first_row, size_t rows, float* out) {
  const auto* codes = reinterpret_cast<const uint8_t*>(matrix.values);
  const auto* scales = reinterpret_cast<const uint8_t*>(matrix.scales);
  const size_t cols = matrix.cols;
  for (size_t row = first_row; row < first_row + rows; ++row, out += cols) {
    switch (matrix.format) {
      case WeightFormat::kFP8: {
        const size_t block_rows = row / kFP8BlockSize * kFP8BlockSize;
        const uint64_t above_bytes = weight_scales_bytes(matrix.format, block_rows, cols);
        HWY_DYNAMIC_DISPATCH(decode_fp8_row)(codes + row * cols, scales + above_bytes, cols, out);
        break;
      }
      case WeightFormat::kMXFP4:
        HWY_DYNAMIC_DISPATCH(decode_mxfp4_row)
        (codes + row * cols / 2, scales + row * (cols / kMXFP4BlockSize), cols, out);
        break;
      case WeightFormat::kF32:
      case WeightFormat::kBF16:  // the compiler does these well
        decode_row(matrix, static_cast<uint32_t>(row), out);
        break;
    }
  }
}

}  // namespace sluice
#endif  // HWY_ONCE
