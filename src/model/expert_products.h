// What experts, shared or routed, make of the tokens that chose them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// y [tokens, D] = w2(silu(w1 x) * w3 x), clamped; x [tokens, D], tokens >= 1.
struct ExpertProducts {
  ExpertMatrices weights;
  const float* x;
  size_t tokens;
  float* y;
};

// So many tokens of several experts are computed together, counted for each expert. An expert with more
// tokens of its own fills all threads alone.
inline constexpr size_t kTokensTogether = 64;

// Computes all of them in two parallel regions: gate, up and activation, then w2. Those that follow one
// another with the same x prepare it once.
void compute_together(const ForwardContext& context, std::span<const ExpertProducts> experts);

}  // namespace sluice
