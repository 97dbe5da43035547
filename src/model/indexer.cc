#include "model/indexer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/activations.h"
#include "kernels/index_scores.h"
#include "kernels/top_k.h"
#include "kernels/vector_ops.h"
#include "model/compressor.h"

namespace sluice {
namespace {

// Keys that are scored together: a range of work for a thread.
constexpr size_t kScoredKeys = 240;

// From so many rows on for each thread, none of them waits long for the others' last.
constexpr size_t kRowsPerThread = 4;

// What the indexer asks for one token.
struct TokenQuery {
  uint32_t layer;
  uint64_t position;
  ForwardObserver* observer;  // null when nobody looks
  float* queries;             // [n, di]; rope is applied here
  float* weights;             // [n]; the scales are
};

// Rope, and the scales: relu(q.k * di^-1/2) * n^-1/2 is the same with both of them behind it.
std::vector<float> packed_query(const ModelConfig& config, const Rope& rope, const TokenQuery& token) {
  const size_t heads = config.index_n_heads;
  const size_t width = config.index_head_dim;
  for (size_t head = 1; head <= heads; ++head)
    rope.rotate(token.position, token.queries + head * width - rope.width());
  scale_in_place(1.0F / std::sqrt(static_cast<float>(heads * width)), heads, token.weights);
  std::vector<float> packed(packed_queries_floats(heads, width));
  pack_queries(token.queries, token.weights, heads, width, packed.data());
  return packed;
}

void score_keys(const ModelConfig& config, const float* packed, const RowStore& keys, size_t begin,
                size_t end, float* scores) {
  const std::byte* rows[kScoredKeys];
  for (size_t i = begin; i < end; ++i) rows[i - begin] = keys.row(i);
  index_scores(packed, config.index_n_heads, config.index_head_dim, {keys.format(), {rows, end - begin}},
               scores + begin);
}

// `share_out(count, grain, body)` calls body for ranges of [0, count), on one thread or several.
template <class ShareOut>
std::vector<uint32_t> best_blocks(const ModelConfig& config, const Rope& rope, const TokenQuery& token,
                                  const CompressorState& state, const ShareOut& share_out) {
  const size_t visible = (token.position + 1) / state.shape().ratio;
  std::vector<uint32_t> chosen(visible);
  if (visible <= config.index_topk) {
    std::iota(chosen.begin(), chosen.end(), 0U);
    return chosen;
  }
  const std::vector<float> packed = packed_query(config, rope, token);
  std::vector<float> scores(visible);
  share_out(visible, kScoredKeys, [&](size_t begin, size_t end) {
    score_keys(config, packed.data(), state.rows(), begin, end, scores.data());
  });
  chosen = top_k(scores, config.index_topk);
  std::sort(chosen.begin(), chosen.end());
  if (token.observer != nullptr) token.observer->revise_blocks(token.layer, token.position, scores, chosen);
  return chosen;
}

// All ranges on the calling thread.
constexpr auto in_turn = [](size_t count, size_t grain, const auto& body) {
  for (size_t begin = 0; begin < count; begin += grain) body(begin, std::min(begin + grain, count));
};

}  // namespace

std::vector<std::vector<uint32_t>> select_blocks(const ForwardContext& context, const IndexerWeights& weights,
                                                 const Rope& rope, uint32_t layer, const float* x,
                                                 const float* qr, const Batch& batch,
                                                 std::span<CompressorState* const> states) {
  const ModelConfig& config = context.config;
  const Workspace::Scope scope(context.workspace);
  compress(context, weights.compressor, rope, x, batch, states);
  const size_t width = size_t{config.index_n_heads} * config.index_head_dim;
  float* queries = context.workspace.floats(batch.rows() * width);
  float* head_weights = context.workspace.floats(batch.rows() * config.index_n_heads);
  {
    const Workspace::Scope products_scope(context.workspace);
    const Activations latents = activations(context, weights.wq_b, qr, batch.rows(), weights.wq_b.cols);
    const Activations inputs = exact_activations(context, weights.weights_proj, x, batch.rows());
    const ActivationsProduct products[] = {
        {latents, weights.wq_b, 0, width, queries, width},
        {inputs, weights.weights_proj, 0, config.index_n_heads, head_weights, config.index_n_heads}};
    multiply_together(context.pool, products);
  }
  std::vector<std::vector<uint32_t>> selected(batch.rows());
  const auto select = [&](size_t row, const auto& share_out) {
    const TokenQuery token{layer, batch.position(row), batch.observer(row), queries + row * width,
                           head_weights + row * config.index_n_heads};
    selected[row] = best_blocks(config, rope, token, *states[batch.chunk_of(row)], share_out);
  };
  // Threads share out the keys of each of few rows, otherwise the rows; observers see one after the other.
  if (batch.is_observed() || batch.rows() < kRowsPerThread * context.pool.threads()) {
    for (size_t row = 0; row < batch.rows(); ++row)
      select(row, [&](size_t count, size_t grain, const auto& body) {
        context.pool.parallel_for(count, grain, body);
      });
    return selected;
  }
  context.pool.parallel_for(batch.rows(), 1, [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) select(row, in_turn);
  });
  return selected;
}

}  // namespace sluice
