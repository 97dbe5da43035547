// How the next token is chosen from the logits.
#pragma once

#include <cstdint>

namespace sluice {

// Filters apply in this order: temperature, top-k, top-p, min-p; what is left is sampled. The same seed gives
// the same tokens on the same build.
struct SamplingOptions {
  double temperature = 1.0;  // 0: greedy, the first of the largest logits; otherwise logits are divided by it
  uint32_t top_k = 0;        // keep the k most likely; 0: all
  double top_p = 1.0;        // keep the fewest most likely tokens whose probabilities reach p; 1: all
  double min_p = 0.0;        // drop tokens less likely than p times the most likely one; 0: none
  uint64_t seed = 0;
};

}  // namespace sluice
