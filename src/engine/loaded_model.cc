#include "engine/loaded_model.h"

#include <xxhash.h>

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

// By names, sizes and dates of the shards and of config.json.
std::string identity_of(const Checkpoint& checkpoint) {
  std::string identity;
  std::vector<std::filesystem::path> files = checkpoint.files();
  files.push_back(checkpoint.folder() / "config.json");
  for (const auto& path : files) {
    std::error_code error;
    const auto size_bytes = std::filesystem::file_size(path, error);
    const auto written = std::filesystem::last_write_time(path, error).time_since_epoch().count();
    identity += fmt::format("{}:{}:{};", path.filename().string(), size_bytes, written);
  }
  return fmt::format("{:016x}", XXH3_64bits(identity.data(), identity.size()));
}

}  // namespace

LoadedModel::~LoadedModel() {
  if (!heat) return;
  store.reset();  // which uses the heat
  if (const Status saved = heat->save(heat_file); !saved)
    log_debug("heat is not kept: {}", saved.error().message);
}

// Whatever is wrong with the file, the run goes on without it.
void LoadedModel::load_heat(const EngineOptions& options) {
  if (options.heat_folder.empty() || options.stream != StreamMode::kDirect) return;
  const ExpertCatalog& catalog = expert_storage.catalog();
  const HeatOwner owner{identity, catalog.layers(), catalog.experts_per_layer()};
  heat_file = options.heat_folder / (identity + ".heat");
  auto known = Heat::load(heat_file, owner);
  if (!known) log_debug("the run starts cold: {}", known.error().message);
  heat = std::make_shared<Heat>(known ? *std::move(known) : Heat(owner));
}

// The hottest experts of earlier runs fill the slots in the background, as far as nobody else wants them.
void LoadedModel::warm_up() {
  if (!heat) return;
  const ExpertCatalog& catalog = expert_storage.catalog();
  for (const uint32_t expert : heat->hottest(store->capacity_slots())) {
    const ExpertId id = catalog.id(expert);
    store->prefetch(id.layer, {&id.expert, 1}, Foresight::kWarm, false);
  }
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(const EngineOptions& options,
                                                       const ReaderWrapper& wrapper) {
  SLUICE_ASSIGN(auto checkpoint, Checkpoint::open(options.model_folder));
  SLUICE_ASSIGN(auto storage, ExpertStorage::locate(checkpoint));
  std::unique_ptr<LoadedModel> loaded(new LoadedModel(std::move(checkpoint), std::move(storage)));
  loaded->identity = identity_of(loaded->checkpoint);
  const ModelConfig& config = loaded->checkpoint.config();
  WeightBinder measure(loaded->checkpoint, nullptr);
  SLUICE_TRY(bind_weights(config, measure).map([](const ModelWeights&) {}));
  SLUICE_ASSIGN(SettledPlan settled, settle_plan(options, config, loaded->expert_storage.catalog(),
                                                 measure.arena_bytes(), available_memory_bytes()));
  loaded->sizes = settled.sizes;
  loaded->plan = settled.memory;
  SLUICE_TRY(loaded->load_dense(options, measure.arena_bytes(), measure.tensors()));
  WeightBinder binder(loaded->checkpoint, loaded->dense_bytes.data());
  SLUICE_ASSIGN(auto weights, bind_weights(config, binder));
  loaded->load_heat(options);
  SLUICE_TRY(loaded->open_store(options, wrapper));
  loaded->warm_up();
  loaded->pool = std::make_unique<ThreadPool>(loaded->sizes.threads);
  ModelParts parts{
      config,           std::move(weights), &loaded->expert_storage, loaded->store.get(), loaded->pool.get(),
      options.numerics, options.row_format};
  SLUICE_ASSIGN(auto model, Model::create(std::move(parts), loaded->sizes.pass_tokens()));
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
  if (!options.policy.empty()) store_options.policy = options.policy;
  store_options.prefetch = options.prefetch;
  store_options.heat = heat;
  if (options.verify_reads) {
    SLUICE_ASSIGN(auto digests, ExpertDigests::load(checkpoint.folder() / kExpertDigestsFile));
    store_options.digests = std::make_shared<const ExpertDigests>(std::move(digests));
  }
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
