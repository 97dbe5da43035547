// What a Session is made of.
#pragma once

#include <vector>

#include "kv/sequence_state.h"
#include "sluice/engine.h"

namespace sluice {

struct Session::State {
  LoadedModel& loaded;
  SequenceState sequence;
  std::vector<int32_t> ids;    // taken in: ids.size() == sequence.position()
  std::vector<float> streams;  // [chunk_tokens, hc, D]: of the chunk taken in last
  std::vector<float> logits;   // [V], after the last token taken in

  // Brings the sequence to exactly `context`: keeps what is a proper prefix of it, prefills the rest in
  // chunks. Afterwards logits are those of the token that follows. False when cancelled between two chunks.
  Result<bool> take_in(const GenerationRequest& request, GenerationStats& stats);
  // One more token.
  Status take_in(int32_t id, ForwardObserver* observer);

 private:
  Status extend(std::span<const int32_t> chunk, ForwardObserver* observer);
};

}  // namespace sluice
