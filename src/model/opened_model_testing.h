// For tests only: a model opened from a folder, resident, without the engine's planning.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "experts/open_store.h"
#include "model/bind_weights.h"
#include "model/model.h"
#include "storage/file_set.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

// Members in the order in which they depend on each other; used in place.
struct OpenedModel {
  std::optional<Checkpoint> checkpoint;
  std::optional<ExpertStorage> expert_storage;
  MappedMemory dense_bytes;
  std::unique_ptr<ExpertStore> store;
  std::unique_ptr<ThreadPool> pool;
  std::optional<Model> model;
};

// Reads the dense tensors into their places.
inline void fill_arena(const Checkpoint& checkpoint, const WeightBinder& measured, MappedMemory& arena) {
  auto allocated = MappedMemory::allocate(measured.arena_bytes());
  ASSERT_TRUE(allocated.has_value());
  arena = std::move(*allocated);
  for (const DenseTensor& dense : measured.tensors()) {
    const Extent& extent = dense.tensor->extent;
    std::ifstream file(checkpoint.files()[extent.file], std::ios::binary);
    file.seekg(static_cast<std::streamoff>(extent.offset_bytes));
    file.read(reinterpret_cast<char*>(arena.data() + dense.arena_offset_bytes),
              static_cast<std::streamsize>(extent.size_bytes));
    ASSERT_TRUE(file.good()) << dense.tensor->name;
  }
}

// Opens `folder`, or returns the first error of doing so.
inline Status open_model(const std::filesystem::path& folder, size_t max_chunk_tokens, size_t threads,
                         OpenedModel& opened) {
  SLUICE_ASSIGN(opened.checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(opened.expert_storage, ExpertStorage::locate(*opened.checkpoint));
  const ModelConfig& config = opened.checkpoint->config();
  WeightBinder measure(*opened.checkpoint, nullptr);
  SLUICE_TRY(bind_weights(config, measure).map([](const ModelWeights&) {}));
  fill_arena(*opened.checkpoint, measure, opened.dense_bytes);
  WeightBinder binder(*opened.checkpoint, opened.dense_bytes.data());
  SLUICE_ASSIGN(auto weights, bind_weights(config, binder));
  std::vector<FileSpec> files;
  for (const auto& path : opened.checkpoint->files())
    files.push_back({path, std::filesystem::file_size(path)});
  ExpertStoreOptions options;
  options.mode = StreamMode::kResident;
  SLUICE_ASSIGN(opened.store, open_expert_store(options, opened.expert_storage->catalog(), files));
  opened.pool = std::make_unique<ThreadPool>(threads);
  ModelParts parts{config, std::move(weights), &*opened.expert_storage, opened.store.get(),
                   opened.pool.get()};
  SLUICE_ASSIGN(auto model, Model::create(std::move(parts), max_chunk_tokens));
  opened.model.emplace(std::move(model));
  return {};
}

}  // namespace sluice::testing
