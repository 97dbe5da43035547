// A block of activations as integers for MXFP4 weights (bf16_pairs.h), by AVX-512. Included inside of
// HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET), which lets the compiler use those instructions in what follows.
#pragma once

#include "kernels/pair_decoders-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET)
namespace sluice {
namespace {

// Sixteen columns each, of 32 that share a scale.
struct BlockIntegers {
  float unit;
  __m512i values[2];

  HWY_INLINE BlockIntegers(__m512 x, __m512 others) {
    const __m512i magnitudes =
        _mm512_max_epu32(_mm512_castps_si512(_mm512_abs_ps(x)), _mm512_castps_si512(_mm512_abs_ps(others)));
    const PairUnit found = PairUnit::of(_mm512_reduce_max_epu32(magnitudes));
    const __m512 per_unit = _mm512_set1_ps(found.per_unit);
    unit = found.unit;
    values[0] = _mm512_cvtps_epi32(_mm512_mul_ps(x, per_unit));
    values[1] = _mm512_cvtps_epi32(_mm512_mul_ps(others, per_unit));
  }
};

// Such that what is left of each integer is its lower byte, with a sign.
HWY_INLINE __m512i upper_bytes(__m512i integers) {
  return _mm512_srai_epi32(_mm512_add_epi32(integers, _mm512_set1_epi32(128)), 8);
}

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
