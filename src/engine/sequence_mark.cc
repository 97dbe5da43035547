#include "engine/sequence_mark.h"

#include <cassert>
#include <cstring>

namespace sluice {

Result<SequenceMark> SequenceMark::create(std::span<const LayerStateShape> layers) {
  SequenceMark mark;
  SLUICE_ASSIGN(mark.changing_, MappedMemory::allocate(bytes(layers)));
  return mark;
}

uint64_t SequenceMark::bytes(std::span<const LayerStateShape> layers) {
  return SequenceState::most_changing_bytes(layers);
}

void SequenceMark::set(SequenceState& sequence) {
  assert(can_be_set());
  position_ = sequence.position();
  std::byte* to = changing_.data();
  for (const auto run : sequence.changing_bytes()) {
    std::memcpy(to, run.data(), run.size());
    to += run.size();
  }
  changing_bytes_ = static_cast<uint64_t>(to - changing_.data());
}

void SequenceMark::return_to(SequenceState& sequence) const {
  sequence.resume(position_);
  const std::byte* from = changing_.data();
  for (const auto run : sequence.changing_bytes()) {
    std::memcpy(run.data(), from, run.size());
    from += run.size();
  }
}

}  // namespace sluice
