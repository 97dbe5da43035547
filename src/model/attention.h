// The attention sublayer: sliding window, compressed rows and a sink (deepseek-v4.md, Attention).
#pragma once

#include <cstdint>

#include "kernels/rope.h"
#include "kv/sequence_state.h"
#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// y [tokens, D] from the normalised input x [tokens, D]; takes the chunk into the layer's state. `layer` is
// for the observer alone. REQUIRES chunk.first_position == the position of the state.
void attention(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
               uint32_t layer, const float* x, const Chunk& chunk, LayerState& state, float* y);

}  // namespace sluice
