// Fetching weights ahead of products that take each of them once, in the order of addresses.
#pragma once

#include <hwy/base.h>

#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr size_t kCacheLineBytes = 64;

// How far ahead one stream of weights is fetched; of two side by side each half as far, since they share the
// first cache with x, which may take two thirds of it.
inline constexpr size_t kFetchAheadBytes = 4096;

// For every `bytes` that are multiplied next: what lies `ahead_bytes` further on is fetched into all caches.
// (Past the others, into the first alone, is as fast on Zen 5 but up to three times slower on a Xeon.)
HWY_INLINE void fetch_ahead(const uint8_t* weights, size_t bytes, size_t ahead_bytes = kFetchAheadBytes) {
  for (size_t at = 0; at < bytes; at += kCacheLineBytes) __builtin_prefetch(weights + at + ahead_bytes, 0, 3);
}

// At the beginning of every row: of what lies 16 KB further on, one line of every 2 KB is fetched into the
// second cache. That tells the processor's own prefetchers to bring the lines behind it too, without which
// one core of Zen 5 has too few requests under way (docs/performance.md).
HWY_INLINE void announce_row(const uint8_t* weights, size_t bytes) {
  constexpr size_t kAheadBytes = 16384;
  constexpr size_t kStepBytes = 2048;
  for (size_t at = 0; at < bytes; at += kStepBytes) __builtin_prefetch(weights + at + kAheadBytes, 0, 2);
}

}  // namespace sluice
