#include "experts/slot_layout.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>
#include <tuple>

#include "base/memory.h"

namespace sluice {

SlotLayout::SlotLayout(const ExpertCatalog& catalog, size_t alignment_bytes)
    : parts_per_expert_(catalog.parts_per_expert()),
      slot_alignment_bytes_(std::max(alignment_bytes, kSlotAlignmentBytes)) {
  assert(std::has_single_bit(alignment_bytes));
  first_read_.reserve(catalog.expert_count() + 1);
  part_offset_bytes_.reserve(catalog.expert_count() * parts_per_expert_);
  first_read_.push_back(0);
  for (uint32_t expert = 0; expert < catalog.expert_count(); ++expert) {
    add_expert(catalog.parts(expert), alignment_bytes);
    const SlotRead& last = reads_.back();
    const uint64_t used_bytes = last.slot_offset_bytes + last.size_bytes;
    slot_bytes_ = std::max<uint64_t>(slot_bytes_, round_up(used_bytes, slot_alignment_bytes_));
    first_read_.push_back(reads_.size());
  }
}

void SlotLayout::add_expert(std::span<const Extent> parts, size_t alignment_bytes) {
  std::vector<size_t> in_file_order(parts.size());
  std::iota(in_file_order.begin(), in_file_order.end(), size_t{0});
  std::ranges::sort(in_file_order, {},
                    [&](size_t part) { return std::tuple(parts[part].file, parts[part].offset_bytes); });

  const size_t first_part = part_offset_bytes_.size();
  part_offset_bytes_.resize(first_part + parts.size());
  uint64_t free_bytes = 0;  // where in the slot the next read may go
  bool first = true;
  for (const size_t part : in_file_order) {
    const Extent& extent = parts[part];
    if (extent.size_bytes == 0) continue;  // a part that this expert has not: nothing to read
    const uint64_t begin = round_down(extent.offset_bytes, alignment_bytes);
    const uint64_t end = round_up(extent.end_bytes(), alignment_bytes);
    const bool joins = !first && reads_.back().file == extent.file &&
                       begin <= reads_.back().offset_bytes + reads_.back().size_bytes + kMaxGapBytes;
    if (!joins) reads_.push_back({extent.file, begin, 0, 0, free_bytes});
    first = false;
    SlotRead& read = reads_.back();
    read.size_bytes = std::max(read.size_bytes, end - read.offset_bytes);
    read.needed_bytes = std::max(read.needed_bytes, extent.end_bytes() - read.offset_bytes);
    part_offset_bytes_[first_part + part] =
        read.slot_offset_bytes + (extent.offset_bytes - read.offset_bytes);
    free_bytes = round_up(read.slot_offset_bytes + read.size_bytes, slot_alignment_bytes_);
  }
}

}  // namespace sluice
