#include "model/indexer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/matmul.h"
#include "kernels/score_rows.h"
#include "kernels/top_k.h"
#include "model/compressor.h"

namespace sluice {
namespace {

// One token's view: its queries and the weights of its heads.
struct TokenQueries {
  const float* queries;  // [n, di], rope applied
  const float* weights;  // [n]
};

// Blocks whose scores are computed together: their keys and products stay in a core's cache.
constexpr size_t kScoredBlocks = 64;

// scores[b] for blocks [begin, end): the heads' products with the block's key, negative ones left out,
// weighted and summed in the heads' order.
void score_blocks(const ModelConfig& config, const TokenQueries& token, const RowStore& keys, size_t begin,
                  size_t end, float* scores) {
  const size_t heads = config.index_n_heads;
  const float head_scale = 1.0F / std::sqrt(static_cast<float>(heads));
  const float width_scale = 1.0F / std::sqrt(static_cast<float>(config.index_head_dim));
  std::vector<float> products(heads * kScoredBlocks);
  const float* rows[kScoredBlocks];
  for (size_t first = begin; first < end; first += kScoredBlocks) {
    const size_t count = std::min(kScoredBlocks, end - first);
    for (size_t i = 0; i < count; ++i) rows[i] = keys.row(first + i);
    score_rows(token.queries, heads, {rows, count}, config.index_head_dim, products.data(), kScoredBlocks);
    std::fill_n(scores + first, count, 0.0F);
    for (size_t head = 0; head < heads; ++head) {
      const float weight = token.weights[head] * head_scale;
      const float* const of_head = products.data() + head * kScoredBlocks;
      for (size_t i = 0; i < count; ++i)
        scores[first + i] += weight * std::max(of_head[i] * width_scale, 0.0F);
    }
  }
}

std::vector<uint32_t> best_blocks(const ForwardContext& context, const TokenQueries& token,
                                  const RowStore& keys, size_t visible) {
  std::vector<uint32_t> chosen(visible);
  if (visible <= context.config.index_topk) {
    std::iota(chosen.begin(), chosen.end(), 0U);
    return chosen;
  }
  std::vector<float> scores(visible);
  context.pool.parallel_for(visible, 256, [&](size_t begin, size_t end) {
    score_blocks(context.config, token, keys, begin, end, scores.data());
  });
  chosen = top_k(scores, context.config.index_topk);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

std::vector<std::vector<uint32_t>> select_blocks(const ForwardContext& context, const IndexerWeights& weights,
                                                 const Rope& rope, const float* x, const float* qr,
                                                 const Batch& batch,
                                                 std::span<CompressorState* const> states) {
  const ModelConfig& config = context.config;
  const Workspace::Scope scope(context.workspace);
  compress(context, weights.compressor, rope, x, batch, states);
  const size_t width = size_t{config.index_n_heads} * config.index_head_dim;
  float* queries = context.workspace.floats(batch.rows() * width);
  float* head_weights = context.workspace.floats(batch.rows() * config.index_n_heads);
  matmul(context.pool, weights.wq_b, qr, batch.rows(), queries);
  matmul(context.pool, weights.weights_proj, x, batch.rows(), head_weights);
  std::vector<std::vector<uint32_t>> selected(batch.rows());
  for (size_t row = 0; row < batch.rows(); ++row) {
    const uint64_t position = batch.position(row);
    const CompressorState& state = *states[batch.chunk_of(row)];
    for (uint32_t head = 0; head < config.index_n_heads; ++head) {
      const size_t end_of_head = row * width + size_t{head + 1} * config.index_head_dim;
      rope.rotate(position, queries + end_of_head - rope.width());
    }
    const TokenQueries token{queries + row * width, head_weights + row * config.index_n_heads};
    selected[row] = best_blocks(context, token, state.rows(), (position + 1) / state.shape().ratio);
  }
  return selected;
}

}  // namespace sluice
