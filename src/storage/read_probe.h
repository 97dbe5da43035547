// What random reads bring on this machine: the same reader, sizes and alignment as the engine's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include "base/extent.h"
#include "sluice/result.h"
#include "storage/choose_reader.h"
#include "storage/file_set.h"
#include "storage/reader.h"

namespace sluice {

struct ProbeOptions {
  size_t depth = 16;  // reads in flight, >= 1; the reader must allow as many
  // Reads are begun for so long; those in flight are waited for, so that it takes a read longer.
  std::chrono::nanoseconds limit = std::chrono::milliseconds(300);
  uint64_t block_bytes = 0;  // see ReadDraw (storage/read_draw.h), which draws the reads
  uint64_t seed = 1;
  // Called now and then by the thread that waits; may be empty.
  std::function<void(std::chrono::nanoseconds elapsed)> on_progress = {};
  std::stop_token cancel = {};
};

struct ProbeFigures {
  uint64_t reads = 0;         // >= 1
  uint64_t wanted_bytes = 0;  // what was asked for
  uint64_t read_bytes = 0;    // what moved: with what alignment adds
  uint64_t elapsed_ns = 0;    // >= 1, from the first read's beginning to the last one's end
  uint64_t cpu_ns = 0;        // of the whole process, meanwhile
  uint64_t median_latency_ns = 0;
  uint64_t p99_latency_ns = 0;

  double bytes_per_second() const {
    return static_cast<double>(read_bytes) * 1e9 / static_cast<double>(elapsed_ns);
  }
};

// Reads at random within `extents`, each as likely as another, through `reader`, which was made for `files`.
// Nothing else should use the reader meanwhile. kInvalidArgument when there is no extent, one is empty, or
// one lies outside its file; kOutOfBudget when the memory for `depth` reads cannot be had; kCancelled; the
// first read's error.
Result<ProbeFigures> probe_reads(Reader& reader, const FileSet& files, std::span<const Extent> extents,
                                 const ProbeOptions& options);

// The same of files that are opened for it, as the engine opens them: directly where that is possible.
// For a quick look at a disk, `kind` kAuto, 0.3 s and blocks of an expert's size will do.
Result<ProbeFigures> probe_files(std::span<const FileSpec> specs, std::span<const Extent> extents,
                                 ReaderKind kind, const ProbeOptions& options);

}  // namespace sluice
