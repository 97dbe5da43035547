// Rows of activations as a sequence keeps them: all of one width and one format.
#pragma once

#include <cstddef>
#include <span>

#include "sluice/numerics.h"

namespace sluice {

// Several rows, anywhere in memory. Does not own them.
struct Rows {
  RowFormat format = RowFormat::kF32;
  std::span<const std::byte* const> rows;  // [width] elements each, aligned as those are

  size_t size() const { return rows.size(); }
  Rows some(size_t first, size_t count) const { return {format, rows.subspan(first, count)}; }
};

// row [values.size()] from float32, rounded to the nearest, ties to even. `row` may begin where `values` do,
// otherwise they must not overlap.
void encode_row(RowFormat format, std::span<const float> values, std::byte* row);
// values [values.size()] from a row; exact. They must not overlap.
void decode_row(RowFormat format, const std::byte* row, std::span<float> values);

}  // namespace sluice
