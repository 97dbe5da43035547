// What keeping prompts on disk has come to.
#pragma once

#include <cstdint>

namespace sluice {

struct SnapshotFigures {
  uint64_t written = 0;  // files, since the start, as is what follows
  uint64_t written_bytes = 0;
  uint64_t write_ns = 0;  // until the disk had them
  uint64_t failed_writes = 0;
  uint64_t read = 0;
  uint64_t read_bytes = 0;
  uint64_t read_ns = 0;
  uint64_t read_tokens = 0;  // that prompts did not have to be computed of
  uint64_t ignored = 0;      // damaged, or of something else
  uint64_t dropped = 0;      // to make room
  uint64_t held_bytes = 0;   // now, other checkpoints' included
};

}  // namespace sluice
