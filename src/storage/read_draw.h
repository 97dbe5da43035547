// Which reads a measurement of a disk makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "base/extent.h"

namespace sluice {

// As a reader wants it: offset and size are multiples of the alignment; the end may lie past the file's.
struct DrawnRead {
  uint32_t file = 0;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
  uint64_t needed_bytes = 0;  // from the offset to the last byte that is wanted
  uint64_t wanted_bytes = 0;
};

// Draws extents, each as likely as another; the same seed draws the same reads. Not thread safe.
class ReadDraw {
 public:
  // `extents`, at least one and none of them empty, must outlive this. A read is a block of an extent, in
  // which blocks lie side by side; block_bytes 0, or an extent that holds no whole block: all of the extent.
  // `alignment_bytes` is a power of two.
  ReadDraw(std::span<const Extent> extents, uint64_t block_bytes, size_t alignment_bytes, uint64_t seed)
      : extents_(extents), block_bytes_(block_bytes), alignment_bytes_(alignment_bytes), random_(seed) {}

  DrawnRead next();

  // What no read's size exceeds.
  uint64_t largest_bytes() const;

 private:
  Extent block_of(const Extent& extent, uint64_t random) const;

  std::span<const Extent> extents_;
  uint64_t block_bytes_;
  size_t alignment_bytes_;
  std::mt19937_64 random_;
};

}  // namespace sluice
