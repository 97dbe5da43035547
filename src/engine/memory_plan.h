// Computes where memory goes before any is taken, and refuses what does not fit.
#pragma once

#include <algorithm>

#include "checkpoint/config.h"
#include "experts/catalog.h"
#include "sluice/engine.h"

namespace sluice {

// Sizes that options name or leave to us, settled for one model.
struct EngineSizes {
  uint64_t context_tokens = 0;
  size_t chunk_tokens = 0;
  size_t threads = 0;
  size_t parallel = 1;
  size_t shared_chunk_tokens = 0;  // the most tokens of prompts in a pass that others wait for
  bool keep_prompts = false;

  // The most tokens of a pass: every sequence has one at least.
  size_t pass_tokens() const { return std::max(chunk_tokens, parallel); }
};
// kInvalidArgument, naming the option, for sizes outside the model's or any machine's range. A chunk that is
// left to us has the fewest tokens that we choose.
Result<EngineSizes> settle_sizes(const EngineOptions& options, const ModelConfig& config);

// `available_bytes` 0: unknown, nothing is refused. kOutOfBudget with the parts and the least that would
// work.
Result<MemoryPlan> plan_memory(const EngineOptions& options, const EngineSizes& sizes,
                               const ModelConfig& config, const ExpertCatalog& catalog, uint64_t dense_bytes,
                               uint64_t available_bytes);

struct SettledPlan {
  EngineSizes sizes;
  MemoryPlan memory;
};
// Both, with a chunk that is left to us as long as the memory for it is a small part of what there is: each
// chunk of a prompt reads nearly all experts once, and computes the faster the more tokens share one. Errors
// as above.
Result<SettledPlan> settle_plan(const EngineOptions& options, const ModelConfig& config,
                                const ExpertCatalog& catalog, uint64_t dense_bytes, uint64_t available_bytes);

}  // namespace sluice
