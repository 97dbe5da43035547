// Columns in groups: what all products of stored weights go through one after the other.
#pragma once

#include <cstddef>

namespace sluice {

// Four blocks of MXFP4, the side of a block of FP8.
inline constexpr size_t kGroupCols = 128;

// The last group of a row may have fewer columns.
constexpr size_t groups_of(size_t cols) {
  return (cols + kGroupCols - 1) / kGroupCols;
}

}  // namespace sluice
