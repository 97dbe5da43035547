#include "storage/read_draw.h"

#include <algorithm>

#include "base/memory.h"

namespace sluice {

Extent ReadDraw::block_of(const Extent& extent, uint64_t random) const {
  const uint64_t blocks = block_bytes_ == 0 ? 0 : extent.size_bytes / block_bytes_;
  if (blocks == 0) return extent;
  return {extent.file, extent.offset_bytes + random % blocks * block_bytes_, block_bytes_};
}

DrawnRead ReadDraw::next() {
  const uint64_t which = random_() % extents_.size();
  const Extent block = block_of(extents_[which], random_());
  const uint64_t begin = round_down(block.offset_bytes, alignment_bytes_);
  return {block.file, begin, round_up(block.end_bytes(), alignment_bytes_) - begin, block.end_bytes() - begin,
          block.size_bytes};
}

uint64_t ReadDraw::largest_bytes() const {
  uint64_t wanted_bytes = 0;
  for (const Extent& extent : extents_) wanted_bytes = std::max(wanted_bytes, block_of(extent, 0).size_bytes);
  // A read that begins anywhere may touch one more unit at either end.
  return round_up(wanted_bytes, alignment_bytes_) + 2 * alignment_bytes_;
}

}  // namespace sluice
