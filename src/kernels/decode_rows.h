// Stored weights to float32, many at a time. The same values, bit for bit, as numerics/weight_matrix.h's
// decode_row.
#pragma once

#include <cstddef>

#include "numerics/weight_matrix.h"

namespace sluice {

// Rows [first_row, first_row + rows) of a matrix into out [rows, cols].
void decode_rows(const WeightMatrix& matrix, size_t first_row, size_t rows, float* out);

}  // namespace sluice
