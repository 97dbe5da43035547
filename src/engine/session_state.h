// What a Session is made of.
#pragma once

#include <vector>

#include "engine/sequence_mark.h"
#include "engine/stepper.h"
#include "kv/sequence_state.h"
#include "sluice/engine.h"

namespace sluice {

struct Session::State {
  LoadedModel& loaded;
  Stepper& stepper;
  SequenceState sequence;
  std::vector<int32_t> ids;  // taken in: ids.size() == sequence.position()
  SequenceMark mark;         // of the last prompt's end, when prompts are kept; at most at ids.size()

  void clear() {
    sequence.clear();
    ids.clear();
    mark.forget();
  }
  // Marks the present position. REQUIRES mark.can_be_set().
  void set_mark();
  // Forgets what came after the mark. REQUIRES mark.position() > 0.
  void return_to_mark();
  // Forgets what `context` does not go on from: reusable_tokens(context) are left.
  void prepare_for(std::span<const int32_t> context);
  // How many tokens of a context are to be taken in before the mark is set: `asked`, if there are so many to
  // come, or else all but the last; 0: it is not worth a pass of its own, nor the copy.
  uint64_t mark_of(std::span<const int32_t> context, uint64_t asked) const;
  // How many tokens a context that goes on from `ids`, or else from the mark, need not take in again.
  uint64_t reusable_tokens(std::span<const int32_t> context) const;
};

}  // namespace sluice
