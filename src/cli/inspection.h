// What a checkpoint is and what of it fits in a machine, found out from its headers alone.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "cli/weight_census.h"
#include "sluice/engine.h"

namespace sluice {

// A share of the experts held in memory.
struct CacheChoice {
  uint32_t percent = 0;
  uint64_t slots = 0;
  uint64_t slots_bytes = 0;
  uint64_t total_bytes = 0;  // with dense weights, context and workspace
};

struct Inspection {
  std::filesystem::path folder;
  ModelConfig config;
  size_t files = 0;
  uint64_t tensors = 0;
  uint64_t tensor_bytes = 0;
  WeightCensus census;

  uint64_t experts = 0;       // routed, of all layers, MTP's included
  uint64_t expert_bytes = 0;  // the largest one, as stored
  // What the arithmetic of one token touches: its experts on every layer, and the weights that every token
  // uses (of the embedding and the hash tables, a row). Without MTP.
  uint64_t routed_bytes_per_token = 0;
  uint64_t dense_bytes_per_token = 0;

  uint64_t context_tokens = 0;  // that the plan is made for
  uint64_t kv_bytes_1000 = 0;   // of 1000 tokens
  uint64_t kv_bytes_full = 0;   // of all positions that the model has
  MemoryPlan whole;             // with every expert in memory
  std::vector<CacheChoice> choices;
  // What an engine would choose here without --cache; or why nothing fits.
  std::optional<MemoryPlan> automatic;
  std::string does_not_fit;
};

// Opens the folder's headers. `context_tokens` 0: the engine's default. Errors as LoadedModel::load, but for
// memory.
Result<Inspection> inspect_checkpoint(const std::filesystem::path& folder, uint64_t context_tokens,
                                      uint64_t available_bytes);

// For people: several lines.
std::string describe(const Inspection& inspection);
// One line of JSON.
std::string describe_as_json(const Inspection& inspection);

}  // namespace sluice
