// Which reads fill a slot with an expert, and where its parts lie in it afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "experts/catalog.h"

namespace sluice {

// One aligned read of an expert, straight into its slot.
struct SlotRead {
  uint32_t file = 0;
  uint64_t offset_bytes = 0;       // in the file, aligned
  uint64_t size_bytes = 0;         // aligned; the end may lie past the file's
  uint64_t needed_bytes = 0;       // up to the last byte of a part
  uint64_t slot_offset_bytes = 0;  // where in the slot it goes, aligned
};

// Extents have any alignment, reads have not: a read covers the aligned superset of one part or of several
// that lie close together, and the parts are used where they then stand in the slot. Nothing is copied; parts
// of an expert keep the misalignment that they have in the file. Immutable: any thread may read it.
class SlotLayout {
 public:
  // Parts whose supersets are this close become one read: a device moves so much in less time than a read of
  // its own costs (about 10 µs at 2 GB/s).
  static constexpr uint64_t kMaxGapBytes = 16 << 10;
  // Reads land on cache lines of their own, also where the device asks for no alignment.
  static constexpr size_t kSlotAlignmentBytes = 64;

  // `alignment_bytes`: a power of two that offsets and sizes of reads must be multiples of.
  SlotLayout(const ExpertCatalog& catalog, size_t alignment_bytes);

  // What every slot must hold: the largest expert with its alignment, a multiple of slot_alignment_bytes().
  uint64_t slot_bytes() const { return slot_bytes_; }
  // What a slot's address must be a multiple of.
  size_t slot_alignment_bytes() const { return slot_alignment_bytes_; }

  // `expert`: its index in the catalog. The reads do not overlap in the slot.
  std::span<const SlotRead> reads(uint32_t expert) const {
    return std::span(reads_).subspan(first_read_[expert], first_read_[expert + 1] - first_read_[expert]);
  }
  // Where a part begins in a slot that the expert's reads have filled.
  uint64_t part_offset_bytes(uint32_t expert, size_t part) const {
    return part_offset_bytes_[size_t{expert} * parts_per_expert_ + part];
  }

 private:
  void add_expert(std::span<const Extent> parts, size_t alignment_bytes);

  size_t parts_per_expert_;
  size_t slot_alignment_bytes_;
  uint64_t slot_bytes_ = 0;
  std::vector<SlotRead> reads_;
  std::vector<size_t> first_read_;           // [experts + 1] into reads_
  std::vector<uint64_t> part_offset_bytes_;  // [experts, parts]
};

}  // namespace sluice
