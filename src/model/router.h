// The router: which experts a token uses, and with which weights (deepseek-v4.md, Experts).
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// k experts a row, largest score first (hash layers: in the table's order).
struct Routing {
  uint32_t* experts = nullptr;  // [rows, k]
  float* weights = nullptr;     // [rows, k]
};

// Routes every row from the sublayer's normalised input x [rows, D]. The result lives in the workspace.
// `biased_scores` [rows, experts], unless null, gets what was chosen by; hash layers leave it as it is.
Routing route(const ForwardContext& context, const RouterWeights& weights, const float* x, const Batch& batch,
              float* biased_scores = nullptr);

}  // namespace sluice
