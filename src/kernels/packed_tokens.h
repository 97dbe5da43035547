// Activations in the order in which products take them (lanes-inl.h), packed once and used by all rows.
#pragma once

#include <cstddef>

#include "numerics/weight_matrix.h"

namespace sluice {

// Floats that `tokens` of `cols` columns take when they are packed.
size_t packed_floats(size_t tokens, size_t cols);

// Packs x [tokens, cols], rows `x_stride` apart, for products with weights of one format:
// packed [packed_floats(tokens, cols)], aligned to 64 bytes. Beyond the last column there are zeros.
void pack_tokens(WeightFormat format, const float* x, size_t x_stride, size_t tokens, size_t cols,
                 float* packed);

// Tokens [tokens, cols] that are packed, as a product takes them whose first column is x's `first_col`, a
// multiple of kGroupCols.
struct PackedTokens {
  const float* values;
  size_t tokens;
  size_t cols;
  size_t first_col = 0;
};

}  // namespace sluice
