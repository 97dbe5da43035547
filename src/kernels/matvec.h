// Products of stored weights with one token: bound by memory, so that a weight is decoded in a register and
// used at once.
#pragma once

#include <cstddef>

#include "numerics/weight_matrix.h"

namespace sluice {

// y[r] = sum over c of w[r, c] * x[c] for rows [row_begin, row_end); to the bit what matmul_rows makes of one
// token by decoding first. Returns the first row that it did not do: row_begin where it has no way for the
// format, the width or the machine's vectors, a later one where weights are NaN, row_end when all is done.
// Runs on the calling thread.
size_t matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y);

}  // namespace sluice
