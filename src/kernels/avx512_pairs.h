// Products of one token by AVX-512, without tiles: the arithmetic of kernels/bf16_pairs.h, to the bit.
#pragma once

#include <cstddef>

#include "kernels/bf16_pairs.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// Whether this processor has the AVX-512 that these functions want, bf16 conversions among it.
bool has_avx512_bf16();

// As the functions without the prefix have it (kernels/bf16_pairs.h). REQUIRE has_avx512_bf16().
void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end);
// Of one token.
void avx512_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                             size_t first_line, float* y);

}  // namespace sluice
