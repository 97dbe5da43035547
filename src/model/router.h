// The router: which experts a token uses, and with which weights (deepseek-v4.md, Experts).
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// k experts a token, largest score first (hash layers: in the table's order).
struct Routing {
  uint32_t* experts = nullptr;  // [tokens, k]
  float* weights = nullptr;     // [tokens, k]
};

// Routes a chunk from the sublayer's normalised input x [tokens, D]. The result lives in the workspace.
// `biased_scores` [tokens, experts], unless null, gets what was chosen by; hash layers leave it as it is.
Routing route(const ForwardContext& context, const RouterWeights& weights, const float* x, const Chunk& chunk,
              float* biased_scores = nullptr);

}  // namespace sluice
