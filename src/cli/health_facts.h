// What sluice doctor finds out about a machine and a checkpoint, before it judges any of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "engine/cost_model.h"
#include "sluice/engine.h"
#include "storage/disk_kind.h"
#include "storage/read_probe.h"

namespace sluice {

struct ProcessorFacts {
  size_t cores = 0;                   // that this process may run on
  double granted_cores = 0;           // whose time control groups grant; 0: they set no limit
  std::string simd_target;            // what kernels use: simd_target() (kernels/simd_target.h)
  std::vector<std::string> features;  // of "avx2", "avx512f", "amx_tile", ... those that it has
  std::string choice;                 // $SLUICE_CPU
};

struct CheckpointFacts {
  std::filesystem::path folder;  // empty: none was named, and there is none
  size_t files = 0;              // shards that there should be
  size_t tensors = 0;            // 0: it did not open
  uint64_t tensor_bytes = 0;
  std::vector<std::string> damaged_shards;    // a message for each that is missing, short or damaged
  std::vector<std::string> oversized_shards;  // a message for each with more bytes than its header says
  std::string problem;  // why the model cannot be opened; empty: all its tensors are there
  std::optional<std::string> tokenizer_problem;  // why text cannot become tokens; empty: it can
};

// How the checkpoint's files can be read; of a checkpoint without files nothing is known.
struct ReadingFacts {
  std::string problem;         // why they cannot be opened for reading experts; empty: they can
  std::optional<bool> direct;  // past the page cache
  std::string direct_refusal;  // why not
  std::optional<bool> uring;
  std::string uring_refusal;             // why not
  std::optional<int> uring_is_disabled;  // the sysctl kernel.io_uring_disabled: 0, 1 or 2
};

struct LimitFacts {
  static constexpr uint64_t kNone = UINT64_MAX;
  uint64_t open_files = kNone;    // RLIMIT_NOFILE
  uint64_t locked_bytes = kNone;  // RLIMIT_MEMLOCK; kNone also for who may lock any amount
};

struct HealthFacts {
  ProcessorFacts processor;
  MachineMemory memory;
  CheckpointFacts checkpoint;
  std::optional<MemoryPlan>
      plan;  // of a run without options; none when there is no model, or it does not fit
  std::string does_not_fit;
  TokenWork work;
  DiskKind disk;
  ReadingFacts reading;
  std::optional<MachineRates> rates;
  std::string rates_problem;  // why nothing could be measured, though it was asked for
  LimitFacts limits;
  // "always", "madvise", "never"; "": the kernel has no transparent ones; none: it does not say.
  std::optional<std::string> huge_pages;
};

// Of a checkpoint's folder and the machine, or of the machine alone when `folder` is empty. With `probe`,
// disk and arithmetic are measured, for about half a second, if the memory for that is there. What is wrong
// with machine or checkpoint is a fact; kCancelled is the only error.
Result<HealthFacts> find_health_facts(const std::filesystem::path& folder,
                                      const std::optional<ProbeOptions>& probe);

// Parts of it that are read from /proc and /sys; `root` is "/" but for tests.
std::vector<std::string> processor_features(const std::filesystem::path& root = "/");
std::optional<std::string> huge_page_mode(const std::filesystem::path& root = "/");
bool may_lock_any_amount(const std::filesystem::path& root = "/");

// The shards that the folder should have, and what is wrong with each, in `facts`. Reads headers only.
void check_shards(const std::filesystem::path& folder, CheckpointFacts& facts);

}  // namespace sluice
