// What `sluice bench io` reads: a checkpoint's experts as the engine does, or blocks of any file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/extent.h"
#include "sluice/result.h"
#include "storage/file_set.h"

namespace sluice {

struct IoSubject {
  std::string name;  // for people
  std::shared_ptr<const FileSet> files;
  std::vector<Extent> extents;
  uint64_t block_bytes = 0;    // what one read takes of an extent; 0: all of it
  uint64_t typical_bytes = 0;  // the size of all reads, or their mean where they differ
  uint64_t largest_bytes = 0;
};

// The reads that fill slots with the routed experts of a checkpoint. Errors of opening it.
Result<IoSubject> experts_subject(const std::filesystem::path& folder);

// Blocks that lie side by side in a file. kInvalidArgument when it holds none.
Result<IoSubject> blocks_subject(const std::filesystem::path& path, uint64_t block_bytes);

}  // namespace sluice
