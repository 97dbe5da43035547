// A run of bytes in one of a checkpoint's files: the only thing that crosses from the room that knows formats
// (checkpoint) to the rooms that move bytes (storage, experts).
#pragma once

#include <cstdint>

namespace sluice {

struct Extent {
  uint32_t file = 0;          // index into the checkpoint's list of files
  uint64_t offset_bytes = 0;  // from the start of the file; any alignment
  uint64_t size_bytes = 0;

  uint64_t end_bytes() const { return offset_bytes + size_bytes; }
  bool operator==(const Extent&) const = default;
};

}  // namespace sluice
