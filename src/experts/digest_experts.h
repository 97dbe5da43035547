// Reads all experts of a checkpoint, once each, to digest them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "experts/catalog.h"
#include "experts/expert_digests.h"

namespace sluice {

struct FileSpec;  // storage/file_set.h

struct DigestOptions {
  size_t threads = 8;  // >= 1; each has one expert in memory and one read in flight
  // Bytes of experts so far and in all; by one thread at a time. May be empty.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_progress;
  std::stop_token cancel;
};

// The digests of what the files hold now. `files` in the order that the catalog's extents number them.
// kNotFound, kCorrupt or kIo when a file does not open, has another size or does not read; kOutOfBudget when
// there is no memory for one expert a thread; kCancelled.
Result<ExpertDigests> digest_experts(const ExpertCatalog& catalog, std::span<const FileSpec> files,
                                     const DigestOptions& options);

}  // namespace sluice
