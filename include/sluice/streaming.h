// How routed experts are held, and what moving them cost.
#pragma once

#include <cstdint>

namespace sluice {

// Where expert bytes live while the model runs. Generated tokens and logits are the same, to the bit, in
// each.
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

// What is read before it is asked for (kDirect; kMmap passes it on to the kernel as advice).
enum class PrefetchMode {
  kOff,
  kCertain,  // what follows from what is known: experts that the tokens' ids name
  kLikely,   // also guesses at what the next layer will ask for, as long as they pay
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
  // Experts that were read before anybody asked for them, in bytes of their weights. Useful: asked for later.
  // Wasted: dropped without. The rest is still undecided.
  uint64_t prefetched_bytes = 0;
  uint64_t prefetch_useful_bytes = 0;
  uint64_t prefetch_wasted_bytes = 0;
  // Time with at least one read in flight; read_bytes / read_busy_ns is the device's bandwidth in GB/s. And
  // the same for each read, summed; read_flight_ns / read_busy_ns is the mean queue depth. 0 in kMmap.
  uint64_t read_busy_ns = 0;
  uint64_t read_flight_ns = 0;

  friend StreamCounters operator-(const StreamCounters& now, const StreamCounters& then) {
    return {now.hits - then.hits,
            now.misses - then.misses,
            now.reads - then.reads,
            now.read_bytes - then.read_bytes,
            now.failed_reads - then.failed_reads,
            now.evictions - then.evictions,
            now.wait_ns - then.wait_ns,
            now.prefetched_bytes - then.prefetched_bytes,
            now.prefetch_useful_bytes - then.prefetch_useful_bytes,
            now.prefetch_wasted_bytes - then.prefetch_wasted_bytes,
            now.read_busy_ns - then.read_busy_ns,
            now.read_flight_ns - then.read_flight_ns};
  }
  friend StreamCounters operator+(const StreamCounters& one, const StreamCounters& other) {
    return {one.hits + other.hits,
            one.misses + other.misses,
            one.reads + other.reads,
            one.read_bytes + other.read_bytes,
            one.failed_reads + other.failed_reads,
            one.evictions + other.evictions,
            one.wait_ns + other.wait_ns,
            one.prefetched_bytes + other.prefetched_bytes,
            one.prefetch_useful_bytes + other.prefetch_useful_bytes,
            one.prefetch_wasted_bytes + other.prefetch_wasted_bytes,
            one.read_busy_ns + other.read_busy_ns,
            one.read_flight_ns + other.read_flight_ns};
  }
};

}  // namespace sluice
