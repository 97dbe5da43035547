#include "experts/open_store.h"

#include <utility>

#include "base/fail.h"
#include "base/units.h"
#include "experts/mapped_store.h"
#include "experts/open_store_on_reader.h"
#include "experts/slot_store.h"
#include "storage/choose_reader.h"
#include "storage/file_set.h"
#include "storage/mapped_files.h"

namespace sluice {
namespace {

Status check_extents(const ExpertCatalog& catalog, std::span<const FileSpec> files) {
  for (uint32_t expert = 0; expert < catalog.expert_count(); ++expert) {
    const ExpertId id = catalog.id(expert);
    for (const Extent& part : catalog.parts(expert)) {
      if (part.file >= files.size()) {
        return fail(ErrorCode::kInvalidArgument, "layer {}, expert {}: lies in file number {} of {}",
                    id.layer, id.expert, part.file, files.size());
      }
      if (part.end_bytes() > files[part.file].size_bytes) {
        return fail(ErrorCode::kInvalidArgument,
                    "layer {}, expert {}: {}: {} bytes at byte {} lie outside its {} bytes", id.layer,
                    id.expert, files[part.file].path.string(), part.size_bytes, part.offset_bytes,
                    files[part.file].size_bytes);
      }
    }
  }
  return {};
}

// What the options allow, before it is known whether that is enough.
Result<size_t> allowed_slots(const ExpertStoreOptions& options, const ExpertCatalog& catalog,
                             uint64_t slot_bytes) {
  if (options.capacity_slots && options.capacity_bytes) {
    return fail(ErrorCode::kInvalidArgument, "the capacity for experts was given both in slots and in bytes");
  }
  if (options.capacity_slots) return *options.capacity_slots;
  if (options.capacity_bytes) return *options.capacity_bytes / slot_bytes;
  if (options.mode == StreamMode::kResident) return catalog.expert_count();
  return fail(ErrorCode::kInvalidArgument, "no capacity for experts was given");
}

Result<size_t> choose_slots(const ExpertStoreOptions& options, const ExpertCatalog& catalog,
                            uint64_t slot_bytes) {
  SLUICE_ASSIGN(const size_t slots, allowed_slots(options, catalog, slot_bytes));
  const size_t least = min_slots(options.mode, catalog);
  if (slots < least) {
    return fail(ErrorCode::kOutOfBudget,
                "mode {} needs at least {} expert slots of {} ({} bytes in all); the capacity given holds {}",
                stream_mode_name(options.mode), least, format_bytes(slot_bytes), least * slot_bytes, slots);
  }
  return slots;
}

Status check_threads(const ExpertStoreOptions& options) {
  if (options.read_threads >= 1) return {};
  return fail(ErrorCode::kInvalidArgument, "experts cannot be read with 0 threads");
}

}  // namespace

size_t min_slots(StreamMode mode, const ExpertCatalog& catalog) {
  switch (mode) {
    case StreamMode::kResident:
      return catalog.expert_count();
    case StreamMode::kMmap:
      return 0;
    case StreamMode::kDirect:
      return 1;
  }
  return 0;
}

Result<std::unique_ptr<ExpertStore>> open_expert_store(const ExpertStoreOptions& options,
                                                       ExpertCatalog catalog,
                                                       std::span<const FileSpec> files) {
  SLUICE_TRY(check_threads(options));
  SLUICE_TRY(check_extents(catalog, files));
  if (options.mode == StreamMode::kMmap) {
    if (options.digests) SLUICE_TRY(options.digests->check_geometry(catalog));
    SLUICE_ASSIGN(auto mapped, MappedFiles::open(files));
    return std::make_unique<MappedStore>(std::move(catalog), std::make_unique<MappedFiles>(std::move(mapped)),
                                         options.read_threads, options.prefetch, options.digests);
  }
  SLUICE_ASSIGN(auto opened, FileSet::open(files, FileAccess::kDirect));
  SLUICE_ASSIGN(auto chosen, choose_reader(std::make_shared<const FileSet>(std::move(opened)),
                                           {options.reader, options.read_threads}));
  if (options.on_reader) options.on_reader(chosen.description);
  return open_expert_store_on_reader(options, std::move(catalog), std::move(chosen.reader));
}

Result<std::unique_ptr<ExpertStore>> open_expert_store_on_reader(const ExpertStoreOptions& options,
                                                                 ExpertCatalog catalog,
                                                                 std::unique_ptr<Reader> reader) {
  if (options.mode == StreamMode::kMmap) {
    return fail(ErrorCode::kInvalidArgument, "mode mmap does not use a reader");
  }
  SlotLayout layout(catalog, reader->alignment_bytes());
  SLUICE_ASSIGN(const size_t slots, choose_slots(options, catalog, layout.slot_bytes()));
  if (options.digests) SLUICE_TRY(options.digests->check_geometry(catalog));
  // Where every expert has a slot, nobody is evicted, and nothing has to be learnt.
  const bool evicts = slots < catalog.expert_count();
  SLUICE_ASSIGN(auto policy,
                make_policy(evicts ? options.policy : "lru", catalog.layers(), catalog.experts_per_layer()));
  SlotStoreParts parts{options.mode,       slots,
                       std::move(catalog), std::move(layout),
                       std::move(policy),  std::move(reader),
                       options.prefetch,   options.heat,
                       options.digests};
  SLUICE_ASSIGN(auto store, SlotStore::create(std::move(parts)));
  if (options.mode == StreamMode::kResident) SLUICE_TRY(store->preload(options.progress, options.cancel));
  return store;
}

}  // namespace sluice
