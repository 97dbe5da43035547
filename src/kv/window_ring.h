// The last rows of a sequence, one per token: the sliding window's keys, which are its values too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice {

// Holds the rows of the last `window` positions written. Same thread rule as RowStore.
class WindowRing {
 public:
  WindowRing(uint32_t window, uint32_t width)
      : window_(window), width_(width), rows_(size_t{window} * width) {}

  uint32_t window() const { return window_; }
  uint32_t width() const { return width_; }
  // The row [width] of a position. Meaningful for the last `window` positions written.
  const float* row(uint64_t position) const { return rows_.data() + (position % window_) * width_; }
  float* row(uint64_t position) { return rows_.data() + (position % window_) * width_; }
  uint32_t element_bytes() const { return sizeof(float); }
  // The rows of the last `window` of so many positions, or of all of them, in the ring's order.
  std::span<std::byte> bytes(uint64_t positions) {
    const uint64_t rows = positions < window_ ? positions : window_;
    return std::as_writable_bytes(std::span(rows_)).first(rows * width_ * element_bytes());
  }
  uint64_t reserved_bytes() const { return rows_.size() * sizeof(float); }

 private:
  uint32_t window_;
  uint32_t width_;
  std::vector<float> rows_;  // [window, width]
};

}  // namespace sluice
