// Activations rounded to bf16 pairs by AVX-512: the arithmetic of kernels/bf16_pairs.h, to the bit.
#pragma once

#include <cstddef>

#include "kernels/bf16_pairs.h"

namespace sluice {

// Whether this processor has the AVX-512 that this and the kernels of amx_pairs.h want, bf16 conversions
// among it.
bool has_avx512_bf16();

// As pair_tokens (kernels/bf16_pairs.h). REQUIRES has_avx512_bf16().
void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end);

}  // namespace sluice
