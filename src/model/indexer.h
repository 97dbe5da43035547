// The indexer of a ratio-4 layer: which compressed rows a query attends to (deepseek-v4.md, Indexer).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/rope.h"
#include "kv/compressor_state.h"
#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// For every row the index_topk visible blocks of largest score, ascending; all of them when there are no
// more. Observers may revise them. A chunk's own blocks are compressed into its state, of `states` [chunks],
// first.
//   x [rows, D]: the sublayer's normalised input; qr [rows, q_lora]: the attention's normalised query latent.
std::vector<std::vector<uint32_t>> select_blocks(const ForwardContext& context, const IndexerWeights& weights,
                                                 const Rope& rope, uint32_t layer, const float* x,
                                                 const float* qr, const Batch& batch,
                                                 std::span<CompressorState* const> states);

}  // namespace sluice
