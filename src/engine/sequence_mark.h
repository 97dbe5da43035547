// A place that a sequence can go back to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "kv/sequence_state.h"

namespace sluice {

// The first tokens of a sequence. Rows of closed blocks stay where they are while it grows, so that only the
// rest has to be copied: SequenceState's changing bytes, 24 MB at most for DeepSeek-V4-Flash. Not thread
// safe.
class SequenceMark {
 public:
  SequenceMark() = default;  // that cannot be set
  // With room for what such sequences have, which takes memory when it is first set: `bytes` at most.
  // kOutOfBudget when the system refuses.
  static Result<SequenceMark> create(std::span<const LayerStateShape> layers);
  static uint64_t bytes(std::span<const LayerStateShape> layers);

  bool can_be_set() const { return changing_.size_bytes() > 0; }
  // Marks where `sequence` is. REQUIRES can_be_set().
  void set(SequenceState& sequence);
  // Takes `sequence` back there, whatever passes it was in since, failed ones too. REQUIRES the settled bytes
  // of position(): those of a sequence that was not cleared since, or the caller puts them there.
  void return_to(SequenceState& sequence) const;

  uint64_t position() const { return position_; }  // 0: of no token, or not set
  std::span<const std::byte> changing_bytes() const { return changing_.bytes().first(changing_bytes_); }
  void forget() { position_ = 0; }

 private:
  uint64_t position_ = 0;
  uint64_t changing_bytes_ = 0;
  MappedMemory changing_;
};

}  // namespace sluice
