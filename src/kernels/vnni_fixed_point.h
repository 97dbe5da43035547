// Products in fixed point of one token or a few, by AVX-512 with VNNI, which multiplies integers of 16 bits
// and adds them up in one instruction: the arithmetic of kernels/fixed_point.h, to the bit.
#pragma once

#include <cstddef>

#include "kernels/fixed_point.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// Whether this processor has these instructions, and the permutations of bytes (VBMI) that go with them from
// Ice Lake and Zen 4 on.
bool has_vnni();

// How many tokens' sums have room in registers beside what decodes weights. More are no faster this way:
// additions find execution units of their own there (docs/performance.md, "Fast numerics").
inline constexpr size_t kMostVNNITokens = 6;

// As fixed_matmul_rows, of 1 to kMostVNNITokens tokens. REQUIRES has_vnni().
void vnni_fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                            size_t tokens, float* y, size_t y_stride);

}  // namespace sluice
