#include "experts/slot_arena.h"

namespace sluice {

Result<SlotArena> SlotArena::allocate(size_t slots, uint64_t slot_bytes, size_t alignment_bytes) {
  SlotArena arena;
  SLUICE_ASSIGN(arena.memory_, MappedMemory::allocate(slots * slot_bytes + alignment_bytes));
  const auto address = reinterpret_cast<uintptr_t>(arena.memory_.data());
  arena.first_slot_ = arena.memory_.data() + (round_up(address, alignment_bytes) - address);
  arena.slots_ = slots;
  arena.slot_bytes_ = slot_bytes;
  return arena;
}

std::vector<std::span<std::byte>> SlotArena::all() const {
  std::vector<std::span<std::byte>> slots;
  for (uint32_t number = 0; number < slots_; ++number) slots.push_back(slot(number));
  return slots;
}

}  // namespace sluice
