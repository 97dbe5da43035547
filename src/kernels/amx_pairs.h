// Products by AMX, the tile registers of Intel's processors: the arithmetic of kernels/bf16_pairs.h, to the
// bit.
#pragma once

#include <cstddef>

#include "kernels/bf16_pairs.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// Whether this processor multiplies tiles of bf16 and has the AVX-512 that decodes for them, and the
// operating system lets this process use tiles, for which it is asked once.
bool has_amx();

// What every thread that has multiplied by tiles keeps until it ends.
size_t amx_thread_bytes();

// As pair_matmul_rows (kernels/bf16_pairs.h). Tile registers are configured and released within a call.
// REQUIRES has_amx().
void amx_pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_line, float* y, size_t y_stride);

}  // namespace sluice
