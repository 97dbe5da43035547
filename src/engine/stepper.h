// One pass over the layers for all generations that are under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/memory_plan.h"
#include "model/model.h"
#include "sluice/engine.h"

namespace sluice {

// How many tokens each may take in: [wanted], at least 1 each. Who wants one token, which others are not to
// wait for long, gets it; the rest wants a prompt taken in, and shares `limit` tokens evenly, or what each
// wants if that is less. REQUIRES wanted >= 1 each.
std::vector<size_t> divide_tokens(std::span<const uint64_t> wanted, size_t limit);

// One of an engine, used by the thread that runs its passes.
class Stepper {
 public:
  Stepper(Model& model, const EngineSizes& sizes);

  // Memory beside the model's workspace.
  static uint64_t buffer_bytes(const ModelConfig& config, const EngineSizes& sizes);

  // As Engine::step.
  Result<StepFigures> step(std::span<Generation* const> generations);

 private:
  // What a generation has of a pass.
  struct Part {
    Generation::State* generation;
    size_t tokens;
  };
  std::vector<Part> divide(std::span<Generation* const> generations) const;
  void choose(const std::vector<Part>& parts);

  Model& model_;
  EngineSizes sizes_;
  std::vector<float> streams_;  // [pass_tokens, hc, D]
  std::vector<float> logits_;   // [parallel, V]
};

}  // namespace sluice
