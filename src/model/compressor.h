// The compressor: every `ratio` tokens become one row of keys/values (deepseek-v4.md, Compressor).
#pragma once

#include <cstddef>
#include <span>

#include "kernels/rope.h"
#include "kv/compressor_state.h"
#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// Takes in normalised inputs x [rows, D], each chunk's into its own of `states` [chunks]: appends a row to it
// for every block that the chunk closes, and leaves the open block pending. REQUIRES states of one shape.
void compress(const ForwardContext& context, const CompressorWeights& weights, const Rope& rope,
              const float* x, const Batch& batch, std::span<CompressorState* const> states);

}  // namespace sluice
