#include "cli/inspection.h"

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"
#include "model/bind_weights.h"
#include "model/model.h"

namespace sluice {
namespace {

void measure_token(const ExpertCatalog& catalog, Inspection& found) {
  const ModelConfig& config = found.config;
  const uint64_t layers_experts = uint64_t{config.num_hidden_layers} * config.n_routed_experts;
  for (uint32_t i = 0; i < catalog.expert_count(); ++i) {
    found.expert_bytes = std::max(found.expert_bytes, catalog.expert_bytes(i));
    if (i < layers_experts) found.routed_bytes_per_token += catalog.expert_bytes(i);
  }
  found.experts = catalog.expert_count();
  found.routed_bytes_per_token =
      found.routed_bytes_per_token / config.n_routed_experts * config.num_experts_per_tok;
  for (const WeightKind kind :
       {WeightKind::kHead, WeightKind::kAttention, WeightKind::kCompressor, WeightKind::kIndexer,
        WeightKind::kRouter, WeightKind::kSharedExpert, WeightKind::kHyperConnection, WeightKind::kNorm}) {
    found.dense_bytes_per_token += found.census.of(kind).bytes;
  }
  for (const WeightKind kind : {WeightKind::kEmbedding, WeightKind::kRouterTable}) {
    found.dense_bytes_per_token += found.census.of(kind).bytes / config.vocab_size;
  }
}

Status measure_memory(const ExpertCatalog& catalog, uint64_t dense_bytes, uint64_t available_bytes,
                      Inspection& found) {
  EngineOptions options;
  options.model_folder = found.folder;
  options.context_tokens = found.context_tokens;
  SLUICE_ASSIGN(const EngineSizes sizes, settle_sizes(options, found.config));
  found.context_tokens = sizes.context_tokens;
  const auto kv_bytes = [&](uint64_t tokens) {
    return SequenceState::bytes_when_full(Model::state_shape(found.config, RowFormat::kF32), tokens);
  };
  found.kv_bytes_1000 = kv_bytes(1000);
  found.kv_bytes_full = kv_bytes(found.config.max_position_embeddings);
  SLUICE_ASSIGN(found.whole,
                plan_memory(options, sizes, found.config, catalog, dense_bytes, /*available_bytes=*/0));
  found.whole.available_bytes = available_bytes;
  for (const uint32_t percent : {10u, 25u, 50u, 100u}) {
    CacheChoice choice;
    choice.percent = percent;
    choice.slots = std::max<uint64_t>(found.whole.experts * percent / 100, found.config.num_experts_per_tok);
    choice.slots_bytes = choice.slots * found.whole.slot_bytes;
    choice.total_bytes = found.whole.total_bytes() - found.whole.experts_bytes + choice.slots_bytes;
    found.choices.push_back(choice);
  }
  auto automatic = settle_plan(options, found.config, catalog, dense_bytes, available_bytes);
  if (automatic) {
    found.automatic = automatic->memory;
  } else {
    found.does_not_fit = automatic.error().message;
  }
  return {};
}

}  // namespace

Result<Inspection> inspect_checkpoint(const std::filesystem::path& folder, uint64_t context_tokens,
                                      uint64_t available_bytes) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  WeightBinder measure(checkpoint, nullptr);
  SLUICE_TRY(bind_weights(checkpoint.config(), measure).map([](const ModelWeights&) {}));
  Inspection found;
  found.folder = folder;
  found.config = checkpoint.config();
  found.files = checkpoint.files().size();
  found.tensors = checkpoint.tensors().size();
  found.tensor_bytes = checkpoint.tensor_bytes();
  found.census = count_weights(checkpoint.tensors());
  found.context_tokens = context_tokens;
  measure_token(storage.catalog(), found);
  SLUICE_TRY(measure_memory(storage.catalog(), measure.arena_bytes(), available_bytes, found));
  return found;
}

}  // namespace sluice
