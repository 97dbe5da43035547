// Many reads, all of them wanted: dense weights at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "base/extent.h"
#include "sluice/result.h"
#include "storage/file_set.h"

namespace sluice {

struct BulkRead {
  Extent extent;
  std::span<std::byte> into;  // exactly extent.size_bytes
};

// Called as bytes arrive: by one thread at a time, with a growing count, last with bytes_done == bytes_total.
using BulkProgress = std::function<void(uint64_t bytes_done, uint64_t bytes_total)>;

// Fills every `into`, in file order, on `threads` (>= 1) threads, and returns when all are filled or after
// the first error: kIo naming file and offset; kCancelled when `cancel` was asked to stop (within a few
// megabytes per thread); kInvalidArgument when an extent lies outside its file, a size differs or `files` is
// not buffered. After an error the destinations hold anything. `progress` may be empty.
Status read_all(const FileSet& files, std::span<const BulkRead> reads, size_t threads,
                const BulkProgress& progress, const std::stop_token& cancel = {});

}  // namespace sluice
