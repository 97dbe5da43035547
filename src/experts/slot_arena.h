// The memory of all slots. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/memory.h"
#include "sluice/result.h"

namespace sluice {

// Slots of equal size, side by side in one mapping; huge pages where the system grants them. Immutable but
// for the bytes.
class SlotArena {
 public:
  SlotArena() = default;

  // Room for `slots` of slot_bytes, a multiple of alignment_bytes (a power of two), each so aligned.
  // kOutOfBudget when the memory cannot be had.
  static Result<SlotArena> allocate(size_t slots, uint64_t slot_bytes, size_t alignment_bytes);

  size_t slots() const { return slots_; }
  uint64_t slot_bytes() const { return slot_bytes_; }
  std::span<std::byte> slot(uint32_t number) const {
    return {first_slot_ + number * slot_bytes_, slot_bytes_};
  }
  std::vector<std::span<std::byte>> all() const;

 private:
  MappedMemory memory_;
  std::byte* first_slot_ = nullptr;  // in memory_, aligned
  size_t slots_ = 0;
  uint64_t slot_bytes_ = 0;
};

}  // namespace sluice
