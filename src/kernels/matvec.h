// Products of stored weights with one token or a few: a weight is decoded in a register and multiplied at
// once with as many tokens as have their sums there too.
#pragma once

#include <cstddef>

#include "kernels/packed_tokens.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// Of how many tokens this is the fastest way, on the vectors in use: 2 or more.
size_t most_matvec_tokens();

// y[t * y_stride + r] = sum over c of w[r, c] * x[t, c] for rows [row_begin, row_end) and all tokens, which
// are packed for w's format; to the bit what packed_matmul_rows makes of many
// tokens. Runs on the calling thread.
void matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x, float* y,
                 size_t y_stride);

}  // namespace sluice
