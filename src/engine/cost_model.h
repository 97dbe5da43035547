// What a token will cost on a machine: from figures that take a second to measure, before anything is loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/extent.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "experts/catalog.h"
#include "sluice/result.h"
#include "sluice/streaming.h"
#include "storage/read_probe.h"

namespace sluice {

// What one token makes the machine do.
struct TokenWork {
  uint64_t routed_bytes = 0;  // of its experts on all layers
  uint64_t dense_bytes = 0;   // of the weights that every token uses
};

// In bytes per second.
struct MachineRates {
  double disk = 0;     // random reads of an expert's size through the engine's own reader
  double kernels = 0;  // stored MXFP4 weights that all threads' products take in, one token at a time
  double memory = 0;   // plain reading by all threads: what no kernel can exceed
};

struct TokenCost {
  double hit_rate = 0;  // expected, of asked-for experts
  uint64_t read_bytes = 0;
  uint64_t read_ns = 0;
  uint64_t compute_ns = 0;
  // With reads and arithmetic one after the other, and with one hidden entirely behind the other. The truth
  // lies between; it is nearer to the second the more is known of a token's experts beforehand.
  double least_tokens_per_second = 0;
  double most_tokens_per_second = 0;
};

// The share of asked-for experts to be expected in memory when a share (0 ... 1) of all experts is: a
// straight line between what the default policy's replays of two real models' routing (tests/data/traces)
// came to. A model whose routing is more or less even than theirs will differ.
double expected_hit_rate(double capacity_share);

TokenCost expected_cost(const TokenWork& work, const MachineRates& rates, double capacity_share);

// What plain reading of `bytes`, more than caches hold, brings all threads of a pool, in bytes per second.
// Measures for about a tenth of a second.
double memory_rate(ThreadPool& pool, std::span<const std::byte> bytes);

// Measures for about half a second, with the checkpoint's own experts; `probe` says how their disk is read.
// Memory's rate is that of reading `resident`, a model's weights, if caches cannot hold them: a probe's own
// memory is smaller, so that part of it may come from a cache. kNotFound when a file has gone; errors as
// probe_files (storage/read_probe.h).
Result<MachineRates> measure_rates(const Checkpoint& checkpoint, const ExpertCatalog& catalog,
                                   ReaderKind reader, size_t threads, const ProbeOptions& probe,
                                   std::span<const std::byte> resident = {});

}  // namespace sluice
