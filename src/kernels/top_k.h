// The largest few of many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice {

// Indices of the min(k, scores.size()) largest scores, largest first; equal scores in the order of their
// indices; NaN counts as smallest. Linear in scores.size() but for the k chosen.
std::vector<uint32_t> top_k(std::span<const float> scores, size_t k);

}  // namespace sluice
