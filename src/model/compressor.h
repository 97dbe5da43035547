// The compressor: every `ratio` tokens become one row of keys/values (deepseek-v4.md, Compressor).
#pragma once

#include <cstddef>

#include "kernels/rope.h"
#include "kv/compressor_state.h"
#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// Takes in a chunk's normalised inputs x [tokens, D]: appends a row to the state for every block that the
// chunk closes, and leaves the open block pending.
void compress(const ForwardContext& context, const CompressorWeights& weights, const Rope& rope,
              const float* x, const Chunk& chunk, CompressorState& state);

}  // namespace sluice
