// Opens the experts of a checkpoint in one of the three modes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "experts/catalog.h"
#include "experts/expert_digests.h"
#include "experts/expert_store.h"
#include "experts/heat.h"
#include "experts/make_policy.h"
#include "sluice/streaming.h"

namespace sluice {

struct FileSpec;  // storage/file_set.h: a path and the size that the file must have

struct ExpertStoreOptions {
  StreamMode mode = StreamMode::kDirect;
  // What may be held, as a number of experts or as memory for them; kDirect needs exactly one of the two,
  // kMmap ignores both. kResident takes what all experts need, and refuses to open when less was given here.
  std::optional<size_t> capacity_slots;
  std::optional<uint64_t> capacity_bytes;
  // kDirect: who is evicted, a name that make_policy knows.
  std::string policy = std::string(kDefaultPolicy);
  PrefetchMode prefetch = PrefetchMode::kLikely;
  // kDirect: is told of every route; guarded by the store until it ends. Null: nobody is.
  std::shared_ptr<Heat> heat;
  // Every expert that is read is checked before it is handed out, and one that differs is an error like that
  // of a read (kCorrupt). Null: none is.
  std::shared_ptr<const ExpertDigests> digests;
  ReaderKind reader = ReaderKind::kAuto;  // kMmap has none
  size_t read_threads = 8;                // >= 1: of the reader kPread, and of kMmap
  // Told once, before anything is read, what reads and why: "io_uring, 64 in flight, past the page cache".
  // Not in kMmap. May be empty.
  std::function<void(std::string_view description)> on_reader;
  // For kResident, whose opening reads everything: bytes of experts read so far, and in all. May be empty.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> progress;
  std::stop_token cancel;
};

// The fewest slots that a mode works with: 1 for kDirect, all experts for kResident, 0 for kMmap.
size_t min_slots(StreamMode mode, const ExpertCatalog& catalog);

// `files`: the checkpoint's files, in the order that the catalog's extents number them. kInvalidArgument for
// options that contradict each other or an extent that lies outside its file; kOutOfBudget, naming the least
// that works, when the capacity is too small; kNotFound, kCorrupt or kIo when a file does not open, has
// another size or (kResident) does not read; kUnsupported when the reader kUring was asked for and is not to
// be had; kCancelled.
Result<std::unique_ptr<ExpertStore>> open_expert_store(const ExpertStoreOptions& options,
                                                       ExpertCatalog catalog,
                                                       std::span<const FileSpec> files);

}  // namespace sluice
