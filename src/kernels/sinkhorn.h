// The mixing weights of hyper-connections: sigmoid gates and a near doubly stochastic matrix.
#pragma once

#include <cstdint>

namespace sluice {

// How a residual of `streams` copies is read and written by one sublayer (deepseek-v4.md, Hyper-connections).
struct SinkhornSettings {
  uint32_t streams = 0;     // hc
  uint32_t iterations = 0;  // hc_sinkhorn_iters
  float eps = 0;            // hc_eps
};

// In place on comb [streams, streams]: softmax over each row plus eps, columns divided by (sum + eps), then
// iterations - 1 times rows and columns (Sinkhorn & Knopp 1967).
void sinkhorn(const SinkhornSettings& settings, float* comb);

float sigmoid(float x);

}  // namespace sluice
