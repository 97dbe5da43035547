// The last rows of a sequence, one per token: the sliding window's keys, which are its values too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sluice/numerics.h"

namespace sluice {

// Holds the rows of the last `window` positions written. Same thread rule as RowStore.
class WindowRing {
 public:
  WindowRing(uint32_t window, uint32_t width, RowFormat format = RowFormat::kF32)
      : window_(window), width_(width), format_(format), rows_(window * row_bytes()) {}

  uint32_t window() const { return window_; }
  uint32_t width() const { return width_; }
  RowFormat format() const { return format_; }
  size_t row_bytes() const { return size_t{width_} * element_bytes(format_); }
  // The row [width] of a position. Meaningful for the last `window` positions written.
  const std::byte* row(uint64_t position) const { return rows_.data() + (position % window_) * row_bytes(); }
  std::byte* row(uint64_t position) { return rows_.data() + (position % window_) * row_bytes(); }
  // The rows of the last `window` of so many positions, or of all of them, in the ring's order.
  std::span<std::byte> bytes(uint64_t positions) {
    const uint64_t rows = positions < window_ ? positions : window_;
    return std::span(rows_).first(rows * row_bytes());
  }
  uint64_t reserved_bytes() const { return rows_.size(); }

 private:
  uint32_t window_;
  uint32_t width_;
  RowFormat format_;
  std::vector<std::byte> rows_;  // [window, width]
};

}  // namespace sluice
