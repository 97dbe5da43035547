// Weights as bf16 pairs, by AVX-512: for the kernels that multiply them (bf16_pairs.h). Included inside of
// HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET), which lets the compiler use those instructions in what follows.
#pragma once

#include <hwy/base.h>
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/bf16_pairs.h"
#include "numerics/codec.h"

#define SLUICE_PAIR_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"

HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET)
namespace sluice {
namespace {

inline constexpr size_t kGroupRows = 16;                            // in the lanes of a vector, and in a tile
inline constexpr size_t kTileValues = kGroupRows * kPairBlockCols;  // bf16 values of a tile of weights: 1 KB
inline constexpr size_t kLineBytes = 64;

// Transposes 16 x 16 words of 32 bits.
HWY_INLINE void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (size_t i = 0; i < 16; i += 4) {
    const __m512i ab_lower = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    const __m512i ab_upper = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    const __m512i cd_lower = _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3]);
    const __m512i cd_upper = _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3]);
    t[i] = _mm512_unpacklo_epi64(ab_lower, cd_lower);
    t[i + 1] = _mm512_unpackhi_epi64(ab_lower, cd_lower);
    t[i + 2] = _mm512_unpacklo_epi64(ab_upper, cd_upper);
    t[i + 3] = _mm512_unpackhi_epi64(ab_upper, cd_upper);
  }
  // t[4 i + j] has in its quarter q the word 4 q + j of rows 4 i ... 4 i + 3.
  for (size_t j = 0; j < 4; ++j) {
    const __m512i lower = _mm512_shuffle_i32x4(t[j], t[4 + j], 0x44);
    const __m512i upper = _mm512_shuffle_i32x4(t[j], t[4 + j], 0xee);
    const __m512i other_lower = _mm512_shuffle_i32x4(t[8 + j], t[12 + j], 0x44);
    const __m512i other_upper = _mm512_shuffle_i32x4(t[8 + j], t[12 + j], 0xee);
    rows[j] = _mm512_shuffle_i32x4(lower, other_lower, 0x88);
    rows[4 + j] = _mm512_shuffle_i32x4(lower, other_lower, 0xdd);
    rows[8 + j] = _mm512_shuffle_i32x4(upper, other_upper, 0x88);
    rows[12 + j] = _mm512_shuffle_i32x4(upper, other_upper, 0xdd);
  }
}

// Codes of scales, 2^-31 to 2^32, with which no weight or product leaves the range of normal numbers
// (bf16_pairs.h) and no weight that of decoders. A checkpoint's are between.
constexpr uint8_t kLowestScale = 96;
constexpr uint8_t kHighestScale = 159;

// Each decodes a row's line at a time to the row of its blocks' tiles, which lie one behind the other. Scales
// of a line come for sixteen rows at once, as LineScales each.

class MXFP4Decoder {
 public:
  static constexpr size_t kLineBlocks = 4;

  // Of w's rows from `row` on.
  MXFP4Decoder(const WeightMatrix& w, size_t row)
      : scales_(reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kPairBlockCols)),
        blocks_(w.cols / kPairBlockCols) {
    for (size_t i = 0; i < 32; ++i) {
      const float value = e2m1_to_float(i & 15);
      table_[i] =
          value == 0 ? uint16_t{0} : static_cast<uint16_t>(float_to_bf16(value) + ((kBase - 127) << 7));
    }
  }

  // What is subtracted from a block's words, two at a time.
  struct LineScales {
    uint32_t less[kLineBlocks];
  };

  // Of the sixteen rows at `offsets`, `first` rows behind the first one.
  void line_scales(const uint32_t* offsets, size_t /*first*/, size_t line, LineScales* scales) const {
    const __m512i codes = line_codes(offsets, line * kLineBlocks);
    store_scales(_mm512_castsi512_si128(codes), scales);
    store_scales(_mm512_extracti32x4_epi32(codes, 1), scales + 4);
    store_scales(_mm512_extracti32x4_epi32(codes, 2), scales + 8);
    store_scales(_mm512_extracti32x4_epi32(codes, 3), scales + 12);
  }

  // A block's eight words are there four times, each time to give other nibbles.
  HWY_INLINE void decode(const uint8_t* line, const LineScales& scales, uint16_t* tiles) {
    const __m512i values = _mm512_load_si512(table_);
    const __m512i places =
        _mm512_set_epi64(kEach * 12, kEach * 12, kEach * 8, kEach * 8, kEach * 4, kEach * 4, 0, 0);
    for (size_t b = 0; b < kLineBlocks; ++b) {
      const __m512i words =
          _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(line + b * kBlockBytes)));
      const __m512i found = _mm512_permutexvar_epi16(_mm512_srlv_epi16(words, places), values);
      const __m512i less = _mm512_set1_epi32(static_cast<int>(scales.less[b]));
      _mm512_store_si512(tiles + b * kTileValues, _mm512_subs_epu16(found, less));
    }
  }

  static bool has_met_nan() { return false; }  // there is none

 private:
  static constexpr size_t kBlockBytes = 16;
  // Magnitudes are looked up with a scale of 2^(kBase - 127). For a smaller one something is subtracted from
  // the exponent, and that saturates, so that zero stays zero.
  static constexpr int kBase = 252;
  static constexpr int64_t kEach = 0x0001000100010001;  // word of 16 bits

  // Of the blocks from b on, of each row one byte a block.
  __m512i line_codes(const uint32_t* offsets, size_t b) const {
    if (b + kLineBlocks <= blocks_)
      return _mm512_i32gather_epi32(_mm512_srli_epi32(_mm512_load_si512(offsets), 4), scales_ + b, 1);
    alignas(64) std::array<uint32_t, kGroupRows> codes{};
    for (size_t r = 0; r < kGroupRows; ++r) {
      for (size_t i = 0; b + i < blocks_; ++i)
        codes[r] |= uint32_t{scales_[offsets[r] / kBlockBytes + b + i]} << 8 * i;
    }
    return _mm512_load_si512(codes.data());
  }

  // Of four rows.
  static void store_scales(__m128i codes, LineScales* scales) {
    const __m512i less =
        _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(kBase), _mm512_cvtepu8_epi32(codes)), 7);
    _mm512_store_si512(scales, _mm512_or_si512(less, _mm512_slli_epi32(less, 16)));
  }

  alignas(64) uint16_t table_[32];  // sixteen values, twice
  const uint8_t* scales_;
  size_t blocks_;
};

class FP8Decoder {
 public:
  static constexpr size_t kLineBlocks = 2;

  FP8Decoder(const WeightMatrix& w, size_t row)
      : scales_(reinterpret_cast<const uint8_t*>(w.scales)),
        scale_cols_((w.cols + kFP8BlockSize - 1) / kFP8BlockSize),
        row_(row),
        rows_(w.rows) {
    for (size_t i = 0; i < 32; ++i)
      table_[i] = float_to_bf16(std::ldexp(static_cast<float>(i % 8), kBase - 127 - 9));
  }

  // What is added to words, two at a time.
  using LineScales = uint32_t;

  void line_scales(const uint32_t* /*offsets*/, size_t first, size_t line, LineScales* scales) const {
    const size_t row = std::min(row_ + first, rows_ - 1);  // behind the last row there is none
    const size_t boundary = (row / kFP8BlockSize + 1) * kFP8BlockSize;
    const uint8_t* at =
        scales_ + row / kFP8BlockSize * scale_cols_ + line * kLineBlocks * kPairBlockCols / kFP8BlockSize;
    std::fill_n(scales, kGroupRows, added_for(at[0]));
    if (boundary < std::min(row + kGroupRows, rows_))
      std::fill(scales + (boundary - row), scales + kGroupRows, added_for(at[scale_cols_]));
  }

  // Exponent and mantissa of a normal number are a bf16's once the difference of the exponents' biases and
  // the scale are added. Of trained weights one in thousands is no such number.
  HWY_INLINE void decode(const uint8_t* line, LineScales scales, uint16_t* tiles) {
    const __m512i z = _mm512_loadu_si512(line);
    const __m512i added = _mm512_set1_epi32(static_cast<int>(scales));
    const __m512i even = _mm512_slli_epi16(z, 8);
    if (HWY_LIKELY(are_normal(z))) {
      _mm512_store_si512(tiles, _mm512_add_epi16(moved(even), added));
      _mm512_store_si512(tiles + kTileValues, _mm512_add_epi16(moved(z), added));
      return;
    }
    has_met_nan_ |= _mm512_cmpeq_epi8_mask(_mm512_or_si512(z, _mm512_set1_epi8(static_cast<char>(0x80))),
                                           _mm512_set1_epi8(static_cast<char>(0xff)));
    _mm512_store_si512(tiles, any(even, z, added));
    _mm512_store_si512(tiles + kTileValues, any(z, _mm512_srli_epi16(z, 8), added));
  }

  bool has_met_nan() const { return has_met_nan_ != 0; }

 private:
  static constexpr int kBias = 7;
  // Subnormal numbers are looked up with a scale of 2^(kBase - 127), and for a smaller one something is
  // subtracted from the exponent, which saturates, so that zero stays zero.
  static constexpr int kBase = 247;

  static LineScales added_for(uint8_t code) {
    return static_cast<uint16_t>((code - kBias) << 7) * uint32_t{0x00010001};
  }

  // Whether no code has the exponent zero or means NaN. Codes without their signs are doubled.
  HWY_INLINE static bool are_normal(__m512i z) {
    const __m512i shifted = _mm512_sub_epi8(_mm512_add_epi8(z, z), _mm512_set1_epi8(0x10));
    return _mm512_cmpgt_epu8_mask(shifted, _mm512_set1_epi8(static_cast<char>(0xfc - 0x10))) == 0;
  }

  // The codes in the upper bytes of words, where a bf16 has sign, exponent and mantissa.
  HWY_INLINE static __m512i moved(__m512i codes) {
    return _mm512_and_si512(_mm512_srai_epi16(codes, 4), _mm512_set1_epi16(static_cast<int16_t>(0x87f0)));
  }

  // Codes in the upper bytes of words, and in the lower ones of `lower`.
  HWY_INLINE __m512i any(__m512i codes, __m512i lower, __m512i added) const {
    constexpr int kAndOr = 0xea;  // (a & b) | c
    const __m512i sign = _mm512_set1_epi16(static_cast<int16_t>(0x8000));
    const __mmask32 is_low = _mm512_testn_epi16_mask(codes, _mm512_set1_epi16(0x7800));
    const __m512i less = _mm512_sub_epi16(_mm512_set1_epi16((kBase - kBias) << 7), added);
    const __m512i low = _mm512_subs_epu16(_mm512_permutexvar_epi16(lower, _mm512_load_si512(table_)), less);
    return _mm512_mask_mov_epi16(_mm512_add_epi16(moved(codes), added), is_low,
                                 _mm512_ternarylogic_epi32(codes, sign, low, kAndOr));
  }

  alignas(64) uint16_t table_[32];  // eight subnormal magnitudes, four times
  const uint8_t* scales_;
  size_t scale_cols_;
  size_t row_;
  size_t rows_;
  __mmask64 has_met_nan_ = 0;
};

// Whether the scales of rows [begin, end), which are some, are such as decoders take.
inline bool are_scales_usual(const WeightMatrix& w, size_t row_begin, size_t row_end) {
  size_t first = row_begin * (w.cols / kMXFP4BlockSize);
  size_t last = row_end * (w.cols / kMXFP4BlockSize);
  if (w.format == WeightFormat::kFP8) {
    const size_t scale_cols = (w.cols + kFP8BlockSize - 1) / kFP8BlockSize;
    first = row_begin / kFP8BlockSize * scale_cols;
    last = ((row_end - 1) / kFP8BlockSize + 1) * scale_cols;
  }
  const auto* scales = reinterpret_cast<const uint8_t*>(w.scales);
  __mmask64 odd = 0;
  for (size_t i = first; i < last; i += 64) {
    const __mmask64 mask = last - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (last - i)) - 1;
    const __m512i codes = _mm512_maskz_loadu_epi8(mask, scales + i);
    odd |= _mm512_mask_cmpgt_epu8_mask(mask, _mm512_sub_epi8(codes, _mm512_set1_epi8(kLowestScale)),
                                       _mm512_set1_epi8(static_cast<char>(kHighestScale - kLowestScale)));
  }
  return odd == 0;
}

// Calls body.operator()<Decoder>() with the decoder of a format that has_pairs().
template <class Body>
auto with_decoder(WeightFormat format, const Body& body) {
  if (format == WeightFormat::kMXFP4) return body.template operator()<MXFP4Decoder>();
  return body.template operator()<FP8Decoder>();
}

// A row's codes.
template <class Decoder>
size_t row_bytes_of(const WeightMatrix& w) {
  return w.cols * kLineBytes / (Decoder::kLineBlocks * kPairBlockCols);
}

template <class Decoder>
const uint8_t* codes_of_row(const WeightMatrix& w, size_t row) {
  return reinterpret_cast<const uint8_t*>(w.values) + row * row_bytes_of<Decoder>(w);
}

// A row's line, of which there are so many bytes, at an address where it is whole: zeros behind them.
class WholeLine {
 public:
  explicit WholeLine(size_t bytes = kLineBytes)
      : mask_(bytes >= kLineBytes ? ~__mmask64{0} : (__mmask64{1} << bytes) - 1) {}

  HWY_INLINE const uint8_t* of(const uint8_t* codes) {
    if (HWY_LIKELY(mask_ == ~__mmask64{0})) return codes;
    _mm512_store_si512(filled_, _mm512_maskz_loadu_epi8(mask_, codes));
    return filled_;
  }

 private:
  __mmask64 mask_;
  alignas(64) uint8_t filled_[kLineBytes];
};

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
