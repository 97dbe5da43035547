// Sixteen rows' weights as bf16 pairs with rows in the lanes of a vector, by AVX-512: for the kernels that
// multiply them (bf16_pairs.h). Included inside of HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET), which lets the
// compiler use those instructions in what follows.
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

inline constexpr size_t kGroupRows = 16;  // in the lanes of a vector, and in a tile
inline constexpr size_t kLineBytes = 64;

// A line of a cache of each of 16 rows, so that each is fetched once: piece p has bytes 16 p ... 16 p + 15 of
// row 4 L + i in the L-th quarter of its i-th vector.
struct Lines {
  alignas(64) uint8_t pieces[4][4][64];

  // The rows begin `offsets` bytes behind `base`; there are `bytes` of each.
  void load(const uint8_t* base, const uint32_t* offsets, size_t bytes) {
    const __mmask64 mask = bytes >= kLineBytes ? ~__mmask64{0} : (__mmask64{1} << bytes) - 1;
    for (size_t i = 0; i < 4; ++i) {
      const __m512i a = _mm512_maskz_loadu_epi8(mask, base + offsets[i]);
      const __m512i b = _mm512_maskz_loadu_epi8(mask, base + offsets[4 + i]);
      const __m512i c = _mm512_maskz_loadu_epi8(mask, base + offsets[8 + i]);
      const __m512i d = _mm512_maskz_loadu_epi8(mask, base + offsets[12 + i]);
      const __m512i ab_lower = _mm512_shuffle_i32x4(a, b, 0x44);
      const __m512i ab_upper = _mm512_shuffle_i32x4(a, b, 0xee);
      const __m512i cd_lower = _mm512_shuffle_i32x4(c, d, 0x44);
      const __m512i cd_upper = _mm512_shuffle_i32x4(c, d, 0xee);
      _mm512_store_si512(pieces[0][i], _mm512_shuffle_i32x4(ab_lower, cd_lower, 0x88));
      _mm512_store_si512(pieces[1][i], _mm512_shuffle_i32x4(ab_lower, cd_lower, 0xdd));
      _mm512_store_si512(pieces[2][i], _mm512_shuffle_i32x4(ab_upper, cd_upper, 0x88));
      _mm512_store_si512(pieces[3][i], _mm512_shuffle_i32x4(ab_upper, cd_upper, 0xdd));
    }
  }
};

// A piece of 16 rows -> words[d]: in lane r the row's d-th four bytes.
struct FourWords {
  __m512i words[4];

  explicit FourWords(const uint8_t (&piece)[4][64]) {
    const __m512i a = _mm512_load_si512(piece[0]);
    const __m512i b = _mm512_load_si512(piece[1]);
    const __m512i c = _mm512_load_si512(piece[2]);
    const __m512i d = _mm512_load_si512(piece[3]);
    const __m512i ab_lower = _mm512_unpacklo_epi32(a, b);
    const __m512i ab_upper = _mm512_unpackhi_epi32(a, b);
    const __m512i cd_lower = _mm512_unpacklo_epi32(c, d);
    const __m512i cd_upper = _mm512_unpackhi_epi32(c, d);
    words[0] = _mm512_unpacklo_epi64(ab_lower, cd_lower);
    words[1] = _mm512_unpackhi_epi64(ab_lower, cd_lower);
    words[2] = _mm512_unpacklo_epi64(ab_upper, cd_upper);
    words[3] = _mm512_unpackhi_epi64(ab_upper, cd_upper);
  }
};

// Codes of scales, 2^-31 to 2^113, with which no weight or product leaves the range of normal numbers
// (bf16_pairs.h) and no weight that of decoders. A checkpoint's are between.
constexpr uint8_t kLowestScale = 96;
constexpr uint8_t kHighestScale = 240;

// Each decodes a block of 16 rows from kPieces pieces of their lines, of which each holds kLineBlocks blocks
// whose scales are fetched at once. Magnitudes come out as with a scale of 2^(kBase - 127); for a smaller one
// something is subtracted from the exponent, and that saturates, so that zero stays zero.

class MXFP4Decoder {
 public:
  static constexpr size_t kBlockBytes = 16;

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

  // For blocks b ... of the sixteen rows at `offsets`, `first` rows behind the first one: four scales a row.
  __m512i line_scales(const uint32_t* offsets, size_t /*first*/, size_t b) const {
    if (b + 4 <= blocks_)
      return _mm512_i32gather_epi32(_mm512_srli_epi32(_mm512_load_si512(offsets), 4), scales_ + b, 1);
    alignas(64) std::array<uint32_t, kGroupRows> codes{};
    for (size_t r = 0; r < kGroupRows; ++r) {
      for (size_t i = 0; b + i < blocks_; ++i)
        codes[r] |= uint32_t{scales_[offsets[r] / kBlockBytes + b + i]} << 8 * i;
    }
    return _mm512_load_si512(codes.data());
  }

  // The i-th block of a line: calls sink(m, weights of the pair m of each row).
  template <class Sink>
  HWY_INLINE void decode(const Lines& lines, size_t i, __m512i line_scales, const Sink& sink) {
    const __m512i values = _mm512_load_si512(table_);
    const __m512i code = _mm512_and_si512(_mm512_srli_epi32(line_scales, static_cast<unsigned>(8 * i)),
                                          _mm512_set1_epi32(0xff));
    const __m512i less = _mm512_slli_epi16(
        _mm512_sub_epi16(_mm512_set1_epi16(kBase), _mm512_or_si512(code, _mm512_slli_epi32(code, 16))), 7);
    const auto pair = [&](__m512i nibbles) {
      return _mm512_subs_epu16(_mm512_permutexvar_epi16(nibbles, values), less);
    };
    const FourWords rows(lines.pieces[i]);
    for (size_t d = 0; d < 4; ++d) {
      const __m512i z = rows.words[d];
      sink(4 * d, pair(z));
      sink(4 * d + 1, pair(_mm512_srli_epi16(z, 4)));
      sink(4 * d + 2, pair(_mm512_srli_epi16(z, 8)));
      sink(4 * d + 3, pair(_mm512_srli_epi16(z, 12)));
    }
  }

  static bool has_met_nan() { return false; }  // there is none

 private:
  static constexpr int kBase = 252;

  alignas(64) uint16_t table_[32];  // sixteen values, twice
  const uint8_t* scales_;
  size_t blocks_;
};

class FP8Decoder {
 public:
  static constexpr size_t kBlockBytes = 32;

  FP8Decoder(const WeightMatrix& w, size_t row)
      : scales_(reinterpret_cast<const uint8_t*>(w.scales)),
        scale_cols_((w.cols + kFP8BlockSize - 1) / kFP8BlockSize),
        row_(row),
        rows_(w.rows) {
    for (size_t i = 0; i < 32; ++i)
      table_[i] = float_to_bf16(e4m3_to_float(static_cast<uint8_t>(i)) * std::ldexp(1.0F, kBase - 127));
  }

  __m512i line_scales(const uint32_t* /*offsets*/, size_t first, size_t b) const {
    const size_t row = row_ + first;
    const size_t boundary = (row / kFP8BlockSize + 1) * kFP8BlockSize;
    const uint8_t* at = scales_ + row / kFP8BlockSize * scale_cols_ + b * kPairBlockCols / kFP8BlockSize;
    const __m512i less = subtracted(*at);
    if (boundary >= std::min(row + kGroupRows, rows_)) return less;
    const auto below = static_cast<__mmask16>(0xffffU << (boundary - row));
    return _mm512_mask_mov_epi32(less, below, subtracted(at[scale_cols_]));
  }

  template <class Sink>
  HWY_INLINE void decode(const Lines& lines, size_t i, __m512i less, const Sink& sink) {
    for (size_t piece = 0; piece < 2; ++piece) {
      const FourWords rows(lines.pieces[2 * i + piece]);
      for (size_t d = 0; d < 4; ++d) {
        const __m512i z = rows.words[d];
        const __mmask32 even_low = _mm512_testn_epi16_mask(z, _mm512_set1_epi16(0x0060));
        const __mmask32 odd_low = _mm512_testn_epi16_mask(z, _mm512_set1_epi16(0x6000));
        const size_t m = 8 * piece + 2 * d;
        sink(m, pair(_mm512_slli_epi16(z, 4), z, even_low, _mm512_slli_epi16(z, 8), less));
        sink(m + 1, pair(_mm512_srli_epi16(z, 4), _mm512_srli_epi16(z, 8), odd_low, z, less));
      }
    }
  }

  // A code that means NaN was decoded, as 480.
  bool has_met_nan() const { return _mm512_cmpeq_epi16_mask(largest_, _mm512_set1_epi16(0x7ff0)) != 0; }

 private:
  // Exponents 0 ... 15 of E4M3 become 240 ... 255.
  static constexpr int kBase = 247;

  static __m512i subtracted(uint8_t code) {
    return _mm512_set1_epi16(static_cast<int16_t>((kBase - code) << 7));
  }

  // Two weights of each row. The code is in bits 4 ... 11 of the words of `shifted`, in the lowest bits of
  // those of `codes`, and its sign is the highest bit of those of `signs`; `is_low` where the two highest
  // bits of its exponent are zero: that is looked up, since there are subnormal numbers among them.
  __m512i pair(__m512i shifted, __m512i codes, __mmask32 is_low, __m512i signs, __m512i less) {
    constexpr int kAndOr = 0xea;  // (a & b) | c
    const __m512i exponents = _mm512_set1_epi16(0x7800);
    __m512i v = _mm512_ternarylogic_epi32(shifted, _mm512_set1_epi16(0x07f0), exponents, kAndOr);
    largest_ = _mm512_max_epu16(largest_, v);
    v = _mm512_mask_permutexvar_epi16(v, is_low, codes, _mm512_load_si512(table_));
    v = _mm512_subs_epu16(v, less);
    return _mm512_ternarylogic_epi32(signs, _mm512_set1_epi16(static_cast<int16_t>(0x8000)), v, kAndOr);
  }

  alignas(64) uint16_t table_[32];  // of the lowest magnitudes
  const uint8_t* scales_;
  size_t scale_cols_;
  size_t row_;
  size_t rows_;
  __m512i largest_ = _mm512_setzero_si512();
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

// Where rows [row, row + count) of w begin: bytes behind the first of them. Beyond the last there is that row
// again, whose products nobody reads.
template <class Decoder>
void find_rows(const WeightMatrix& w, size_t rows, size_t count, uint32_t* offsets) {
  const size_t row_bytes = w.cols / kPairBlockCols * Decoder::kBlockBytes;
  for (size_t r = 0; r < count; ++r) offsets[r] = static_cast<uint32_t>(std::min(r, rows - 1) * row_bytes);
}

template <class Decoder>
const uint8_t* codes_of_row(const WeightMatrix& w, size_t row) {
  return reinterpret_cast<const uint8_t*>(w.values) + row * (w.cols / kPairBlockCols) * Decoder::kBlockBytes;
}

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
