// How routed experts are held, and what moving them cost.
#pragma once

#include <cstdint>

namespace sluice {

// Where expert bytes live while the model runs. Generated tokens and logits are the same, to the bit, in each.
enum class StreamMode {
  kResident,  // all read at start, kept in memory
  kMmap,      // mapped files: the kernel's page cache decides what stays
  kDirect,    // read past the page cache into slots of our own, which a policy fills and evicts
};

const char* stream_mode_name(StreamMode mode);  // "resident", "mmap", "direct"

// What reads experts in kResident and kDirect. The bytes are the same.
enum class ReaderKind {
  kAuto,   // kUring where kernel and limits allow it, else kPread
  kUring,  // io_uring: one thread, many reads in flight
  kPread,  // threads that call pread, each with one read in flight
};

// Totals since the expert store was opened. Taken from the path that does the work, never estimated.
struct StreamCounters {
  uint64_t hits = 0;          // requested experts whose bytes were in memory when they were asked for
  uint64_t misses = 0;        // requested experts that had to be read or were still being read
  uint64_t reads = 0;         // read operations that brought their bytes
  uint64_t read_bytes = 0;    // bytes those operations moved, alignment included
  uint64_t failed_reads = 0;  // read operations that ended in an error
  uint64_t evictions = 0;     // experts dropped to make room
  uint64_t wait_ns = 0;       // time a computing thread stood waiting for an expert

  friend StreamCounters operator-(const StreamCounters& now, const StreamCounters& then) {
    return {now.hits - then.hits,
            now.misses - then.misses,
            now.reads - then.reads,
            now.read_bytes - then.read_bytes,
            now.failed_reads - then.failed_reads,
            now.evictions - then.evictions,
            now.wait_ns - then.wait_ns};
  }
};

}  // namespace sluice
