#include "engine/loaded_model.h"

#include "base/fail.h"
#include "base/log.h"
#include "base/machine.h"
#include "experts/open_store.h"
#include "experts/open_store_on_reader.h"
#include "model/bind_weights.h"
#include "storage/bulk_read.h"
#include "storage/choose_reader.h"
#include "storage/file_set.h"

namespace sluice {
namespace {

Result<std::vector<FileSpec>> file_specs(const Checkpoint& checkpoint) {
  std::vector<FileSpec> specs;
  for (const auto& path : checkpoint.files()) {
    std::error_code error;
    const uint64_t size_bytes = std::filesystem::file_size(path, error);
    if (error) return fail(ErrorCode::kNotFound, "{}: {}", path.string(), error.message());
    specs.push_back({path, size_bytes});
  }
  return specs;
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(const EngineOptions& options,
                                                       const ReaderWrapper& wrapper) {
  SLUICE_ASSIGN(auto checkpoint, Checkpoint::open(options.model_folder));
  SLUICE_ASSIGN(auto storage, ExpertStorage::locate(checkpoint));
  std::unique_ptr<LoadedModel> loaded(new LoadedModel(std::move(checkpoint), std::move(storage)));
  const ModelConfig& config = loaded->checkpoint.config();
  WeightBinder measure(loaded->checkpoint, nullptr);
  SLUICE_TRY(bind_weights(config, measure).map([](const ModelWeights&) {}));
  SLUICE_ASSIGN(loaded->sizes, settle_sizes(options, config));
  SLUICE_ASSIGN(loaded->plan, plan_memory(options, loaded->sizes, config, loaded->expert_storage.catalog(),
                                          measure.arena_bytes(), available_memory_bytes()));
  SLUICE_TRY(loaded->load_dense(options, measure.arena_bytes(), measure.tensors()));
  WeightBinder binder(loaded->checkpoint, loaded->dense_bytes.data());
  SLUICE_ASSIGN(auto weights, bind_weights(config, binder));
  SLUICE_TRY(loaded->open_store(options, wrapper));
  loaded->pool = std::make_unique<ThreadPool>(loaded->sizes.threads);
  ModelParts parts{config, std::move(weights), &loaded->expert_storage, loaded->store.get(),
                   loaded->pool.get()};
  SLUICE_ASSIGN(auto model, Model::create(std::move(parts), loaded->sizes.chunk_tokens));
  loaded->model.emplace(std::move(model));
  return loaded;
}

Status LoadedModel::load_dense(const EngineOptions& options, uint64_t arena_bytes,
                               const std::vector<DenseTensor>& tensors) {
  SLUICE_ASSIGN(dense_bytes, MappedMemory::allocate(arena_bytes));
  SLUICE_ASSIGN(const auto specs, file_specs(checkpoint));
  SLUICE_ASSIGN(const auto files, FileSet::open(specs, FileAccess::kBuffered));
  std::vector<BulkRead> reads;
  for (const DenseTensor& dense : tensors) {
    const Extent& extent = dense.tensor->extent;
    reads.push_back({extent, dense_bytes.bytes().subspan(dense.arena_offset_bytes, extent.size_bytes)});
  }
  BulkProgress progress;
  if (options.on_progress) {
    progress = [&](uint64_t done, uint64_t total) { options.on_progress({"dense weights", done, total}); };
  }
  return read_all(files, reads, options.read_threads, progress, options.cancel);
}

Status LoadedModel::open_store(const EngineOptions& options, const ReaderWrapper& wrapper) {
  ExpertStoreOptions store_options;
  store_options.mode = options.stream;
  if (options.stream != StreamMode::kMmap) store_options.capacity_slots = plan.slots;
  store_options.reader = options.reader;
  store_options.read_threads = options.read_threads;
  store_options.on_reader = [](std::string_view description) {
    log_info("experts are read by {}", description);
  };
  store_options.cancel = options.cancel;
  if (options.on_progress) {
    store_options.progress = [&](uint64_t done, uint64_t total) {
      options.on_progress({"experts", done, total});
    };
  }
  SLUICE_ASSIGN(const auto specs, file_specs(checkpoint));
  if (!wrapper) {
    SLUICE_ASSIGN(store, open_expert_store(store_options, expert_storage.catalog(), specs));
    return {};
  }
  SLUICE_ASSIGN(auto files, FileSet::open(specs, FileAccess::kDirect));
  SLUICE_ASSIGN(auto chosen, choose_reader(std::make_shared<const FileSet>(std::move(files)),
                                           {options.reader, options.read_threads}));
  SLUICE_ASSIGN(store, open_expert_store_on_reader(store_options, expert_storage.catalog(),
                                                   wrapper(std::move(chosen.reader))));
  return {};
}

}  // namespace sluice
