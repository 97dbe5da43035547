// What a Session is made of.
#pragma once

#include <vector>

#include "engine/stepper.h"
#include "kv/sequence_state.h"
#include "sluice/engine.h"

namespace sluice {

struct Session::State {
  LoadedModel& loaded;
  Stepper& stepper;
  SequenceState sequence;
  std::vector<int32_t> ids;  // taken in: ids.size() == sequence.position()

  void clear() {
    sequence.clear();
    ids.clear();
  }
};

}  // namespace sluice
