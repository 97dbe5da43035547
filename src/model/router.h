// The router: which experts a token uses, and with which weights (deepseek-v4.md, Experts).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// k experts a row, largest score first (hash layers: in the table's order).
struct Routing {
  uint32_t* experts = nullptr;  // [rows, k]
  float* weights = nullptr;     // [rows, k]
};

// Copies of a routing's scores, for those who look at them.
struct RouterScores {
  float* plain = nullptr;   // [rows, experts]: experts are weighed by these
  float* biased = nullptr;  // [rows, experts]: and chosen by these; hash layers leave them as they are
};

// Routes every row from the sublayer's normalised input x [rows, D]. The result lives in the workspace.
// `shown`, unless null, gets the scores.
Routing route(const ForwardContext& context, const RouterWeights& weights, const float* x, const Batch& batch,
              const RouterScores* shown = nullptr);

// One row's weights [k], from its plain scores [experts] and the experts [k] that were chosen.
void weigh_experts(const ModelConfig& config, std::span<const float> scores,
                   std::span<const uint32_t> experts, std::span<float> weights);

}  // namespace sluice
