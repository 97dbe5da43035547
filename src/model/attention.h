// The attention sublayer: sliding window, compressed rows and a sink (deepseek-v4.md, Attention).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/rope.h"
#include "kv/sequence_state.h"
#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// y [rows, D] from the normalised input x [rows, D]; takes every chunk into its sequence's state of the
// layer, `states` [chunks]. `layer` is for observers alone. REQUIRES that a chunk's first position is the
// position of its state, and states of one shape.
void attention(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
               uint32_t layer, const float* x, const Batch& batch, std::span<LayerState* const> states,
               float* y);

}  // namespace sluice
