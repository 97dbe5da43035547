// A checkpoint in memory, ready to run: what Engine, verify and perplexity stand on.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/memory_plan.h"
#include "experts/expert_store.h"
#include "experts/heat.h"
#include "model/model.h"
#include "sluice/engine.h"
#include "storage/reader.h"

namespace sluice {

// Puts another reader around, or in place of, the one that the engine made: for tests that inject faults.
using ReaderWrapper = std::function<std::unique_ptr<Reader>(std::unique_ptr<Reader>)>;

// Members in the order in which they depend on each other; used in place, never moved.
struct LoadedModel {
  // Every tensor is checked before anything is allocated, and the memory plan is kept or refused.
  static Result<std::unique_ptr<LoadedModel>> load(const EngineOptions& options,
                                                   const ReaderWrapper& wrapper = {});

  // Keeps the heat.
  ~LoadedModel();

  Checkpoint checkpoint;
  std::string identity;  // changes whenever the checkpoint's files do
  ExpertStorage expert_storage;
  EngineSizes sizes;
  MemoryPlan plan;
  MappedMemory dense_bytes;    // the arena that the weights are views of
  std::shared_ptr<Heat> heat;  // null when it is not kept; used by the store
  std::filesystem::path heat_file;
  std::unique_ptr<ExpertStore> store;
  std::unique_ptr<ThreadPool> pool;
  std::optional<Model> model;

 private:
  LoadedModel(Checkpoint opened, ExpertStorage storage)
      : checkpoint(std::move(opened)), expert_storage(std::move(storage)) {}
  Status load_dense(const EngineOptions& options, uint64_t arena_bytes,
                    const std::vector<DenseTensor>& tensors);
  void load_heat(const EngineOptions& options);
  void warm_up();
  Status open_store(const EngineOptions& options, const ReaderWrapper& wrapper);
};

}  // namespace sluice
