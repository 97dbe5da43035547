// One pass over the layers for all generations that are under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/memory_plan.h"
#include "engine/sequence_mark.h"
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
  // kOutOfBudget when the system refuses the memory.
  static Result<std::unique_ptr<Stepper>> create(Model& model, const EngineSizes& sizes);

  // Memory beside the model's workspace; `layers`: of the sequences.
  static uint64_t buffer_bytes(const ModelConfig& config, const EngineSizes& sizes,
                               std::span<const LayerStateShape> layers);

  // As Engine::step.
  Result<StepFigures> step(std::span<Generation* const> generations);

 private:
  Stepper(Model& model, const EngineSizes& sizes);

  // What a generation has of a pass.
  struct Part {
    Generation::State* generation;
    size_t tokens;
  };
  std::vector<Part> divide(std::span<Generation* const> generations) const;
  // What the pass takes in, and how it is told of cancellations. REQUIRES parts.
  std::vector<SequenceChunk> chunks_of(std::span<const Part> parts);
  // Tells a generation what became of its part; `before`: where its sequence was, if the pass had `cancel`s.
  static void settle(const Part& part, const Status& status, const SequenceMark& before);
  void choose(const std::vector<Part>& parts);

  Model& model_;
  EngineSizes sizes_;
  std::vector<float> streams_;  // [pass_tokens, hc, D]
  std::vector<float> logits_;   // [parallel, V]
  // Of each part, before a pass that can be cancelled: [parallel].
  std::vector<SequenceMark> before_;
};

}  // namespace sluice
