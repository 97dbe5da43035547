// Reading memory and nothing else: what no product of weights can exceed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"

namespace sluice {

// Goes once through all of `bytes`, aligned to 8, on all threads of the pool. Returns the sum of their 64-bit
// words (a rest of fewer than 8 bytes is left out), so that no compiler leaves reading out.
uint64_t read_memory(ThreadPool& pool, std::span<const std::byte> bytes);

}  // namespace sluice
