#include "kernels/avx512_pairs.h"

#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#if HWY_ARCH_X86_64
#include "kernels/block_integers-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET)
namespace sluice {
namespace {

// Zero instead of what is too small.
inline __m512 without_smallest(__m512 values) {
  const __mmask16 is_small = _mm512_cmp_ps_mask(_mm512_abs_ps(values), _mm512_set1_ps(0x1p-60F), _CMP_LT_OQ);
  return _mm512_maskz_mov_ps(_knot_mask16(is_small), values);
}

// What hi leaves of values; zero where hi is no number.
inline __m512 rest(__m512 value, __m512i hi) {
  constexpr int kNoNumber = 0x99;  // infinities and NaNs
  const __m512 nearest = _mm512_castsi512_ps(hi);
  return _mm512_maskz_sub_ps(_knot_mask16(_mm512_fpclass_ps_mask(nearest, kNoNumber)), value, nearest);
}

// Of pairs as float32: the first ones, and the second ones.
inline __m512i first_of(__m512i pairs) {
  return _mm512_slli_epi32(pairs, 16);
}
inline __m512i second_of(__m512i pairs) {
  return _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000U)));
}

// Transposes 4 x 4 values in each quarter of four vectors: of the i-th vector, value j of a quarter becomes
// value i of that quarter in the j-th one.
HWY_INLINE void transpose_quarters(__m512 (&v)[4]) {
  const __m512 ab_lower = _mm512_unpacklo_ps(v[0], v[1]);
  const __m512 ab_upper = _mm512_unpackhi_ps(v[0], v[1]);
  const __m512 cd_lower = _mm512_unpacklo_ps(v[2], v[3]);
  const __m512 cd_upper = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(ab_lower, cd_lower, 0x44);
  v[1] = _mm512_shuffle_ps(ab_lower, cd_lower, 0xee);
  v[2] = _mm512_shuffle_ps(ab_upper, cd_upper, 0x44);
  v[3] = _mm512_shuffle_ps(ab_upper, cd_upper, 0xee);
}

// What a line's blocks take of one token, in float32: the first of pairs and the second. Value 4 q + i is of
// the pair 4 i + q.
struct TokenLine {
  __m512 first[4];
  __m512 second[4];

  // Of `cols` columns at x, beyond which there are zeros.
  HWY_INLINE void load(const float* x, size_t cols, LineColumns columns) {
    __m512 v[8];
    for (size_t i = 0; i < columns.count() / 16; ++i) {
      const size_t left = cols > 16 * i ? std::min<size_t>(cols - 16 * i, 16) : 0;
      v[i] = _mm512_maskz_loadu_ps(static_cast<__mmask16>((uint32_t{1} << left) - 1), x + 16 * i);
    }
    if (columns.blocks == 2) {
      __m512 both[4];
      for (size_t i = 0; i < 4; ++i) both[i] = without_smallest(v[i]);
      transpose_quarters(both);
      for (size_t b = 0; b < 2; ++b) {
        first[b] = both[b];
        second[b] = both[2 + b];
      }
      return;
    }
    for (size_t i = 0; i < 4; ++i) {
      first[i] = _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0x88);
      second[i] = _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0xdd);
    }
  }
};

// Where pairs' elements are in the first ones and then the second ones.
alignas(64) constexpr auto kInterleaved = [] {
  std::array<uint16_t, 32> from{};
  for (uint16_t i = 0; i < 32; ++i) from[i] = static_cast<uint16_t>(i / 2 + i % 2 * 16);
  return from;
}();

// bf16 pairs from those that are first and those that are second.
HWY_INLINE __m512i rounded(__m512 first, __m512 second) {
  return _mm512_permutexvar_epi16(_mm512_load_si512(kInterleaved.data()),
                                  (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

// A block's pairs of a token: hi, and lo.
struct Planes {
  __m512i hi;
  __m512i lo;

  // For FP8 weights.
  HWY_INLINE static Planes of_values(__m512 first, __m512 second) {
    const __m512i hi = rounded(first, second);
    return {hi, rounded(rest(first, first_of(hi)), rest(second, second_of(hi)))};
  }

  // For MXFP4 weights.
  HWY_INLINE static Planes of_integers(__m512 first, __m512 second) {
    const BlockIntegers integers(first, second);
    __m512 hi[2];
    __m512 lo[2];
    for (size_t i = 0; i < 2; ++i) {
      const __m512i upper = upper_bytes(integers.values[i]);
      const __m512i lower = _mm512_sub_epi32(integers.values[i], _mm512_slli_epi32(upper, 8));
      hi[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(upper), _mm512_set1_ps(256 * integers.unit));
      lo[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(lower), _mm512_set1_ps(integers.unit));
    }
    return {rounded(hi[0], hi[1]), rounded(lo[0], lo[1])};
  }
};

// Stores a plane of a block: for each of `tokens` its pairs, in the order of TokenLine.
HWY_INLINE void store_plane(const __m512i (&pairs)[kTileTokens], size_t tokens, uint16_t* out) {
  if (tokens == 1) {
    const __m512i ascending = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi32(ascending, pairs[0]));
    return;
  }
  __m512i rows[kTileTokens];
  for (size_t t = 0; t < kTileTokens; ++t) rows[t] = pairs[t];
  transpose(rows);
  const auto mask = static_cast<__mmask16>((1U << tokens) - 1);
  for (size_t m = 0; m < 16; ++m)
    _mm512_mask_storeu_epi32(out + m * 2 * tokens, mask, rows[m % 4 * 4 + m / 4]);
}

}  // namespace

void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end) {
  const LineColumns columns = pairs.columns();
  const size_t tokens = pairs.tile_tokens();
  const float* rows = x + pairs.first_token(tile) * x_stride;
  __m512i planes[4][2][kTileTokens] = {};
  for (size_t l = begin; l < end; ++l) {
    const size_t col = l * columns.count();
    for (size_t t = 0; t < tokens; ++t) {
      TokenLine line;
      line.load(rows + t * x_stride + col, pairs.cols() - col, columns);
      for (size_t b = 0; b < columns.blocks; ++b) {
        const auto of = columns.blocks == 2 ? Planes::of_values : Planes::of_integers;
        const Planes block = of(line.first[b], line.second[b]);
        planes[b][0][t] = block.hi;
        planes[b][1][t] = block.lo;
      }
    }
    uint16_t* out = pairs.line(tile, l);
    for (size_t b = 0; b < columns.blocks; ++b) {
      for (size_t plane = 0; plane < 2; ++plane, out += pairs.block_values() / 2)
        store_plane(planes[b][plane], tokens, out);
    }
  }
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {

bool has_avx512_bf16() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
}

}  // namespace sluice

#else

namespace sluice {

bool has_avx512_bf16() {
  return false;
}

void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end) {
  pair_tokens(x, x_stride, pairs, tile, begin, end);
}

}  // namespace sluice

#endif
