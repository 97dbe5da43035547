// Products of stored weights with one token: bound by memory, so that a weight is decoded in a register and
// used at once.
#pragma once

#include <cstddef>

#include "numerics/weight_matrix.h"

namespace sluice {

// y[r] = sum over c of w[r, c] * x[c] for rows [row_begin, row_end); to the bit what matmul_rows makes of
// many tokens. w.cols must be a multiple of 32. Runs on the calling thread.
void matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y);

}  // namespace sluice
