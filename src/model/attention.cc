#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attend.h"
#include "kernels/matmul.h"
#include "kernels/vector_ops.h"
#include "model/compressor.h"
#include "model/indexer.h"

namespace sluice {
namespace {

using SelectedBlocks = std::vector<std::vector<uint32_t>>;  // per token; empty without an indexer

// The sublayer's arrays for one chunk.
struct ChunkArrays {
  const float* qr = nullptr;  // [tokens, q_lora]: normalised query latent
  float* q = nullptr;         // [tokens, H, d]: queries, then the heads' outputs in their place
  const float* kv = nullptr;  // [tokens, d]: the chunk's window rows
};

// What follows from the input alone: the queries' latent, and the window rows, each of them one key that is
// also the value, for all heads.
void project_input(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                   const float* x, const Chunk& chunk, ChunkArrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t d = config.head_dim;
  const size_t latent = config.q_lora_rank;
  float* qr = context.workspace.floats(chunk.tokens() * latent);
  float* kv = context.workspace.floats(chunk.tokens() * d);
  const RowsProduct products[] = {
      {weights.wq_a, 0, latent, x, config.hidden_size, qr, latent},
      {weights.wkv, 0, d, x, config.hidden_size, kv, d},
  };
  matmul_together(context.pool, products, chunk.tokens());
  for (size_t t = 0; t < chunk.tokens(); ++t) {
    rms_norm(qr + t * latent, weights.q_norm.data(), eps, latent, qr + t * latent);
    rms_norm(kv + t * d, weights.kv_norm.data(), eps, d, kv + t * d);
    rope.rotate(chunk.first_position + t, kv + (t + 1) * d - rope.width());
  }
  arrays.qr = qr;
  arrays.kv = kv;
}

// Queries of all heads from the latent: per-head norm, rope.
void project_queries(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                     const Chunk& chunk, ChunkArrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t heads = config.num_attention_heads;
  const size_t d = config.head_dim;
  arrays.q = context.workspace.floats(chunk.tokens() * heads * d);
  matmul(context.pool, weights.wq_b, arrays.qr, chunk.tokens(), arrays.q);
  context.pool.parallel_for(chunk.tokens() * heads, 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      float* head = arrays.q + i * d;
      rms_norm(head, nullptr, eps, d, head);
      rope.rotate(chunk.first_position + i / heads, head + d - rope.width());
    }
  });
}

// What the query at chunk token t sees: window rows by age, then compressed rows by age. The order fixes the
// sum.
void collect_rows(const ModelConfig& config, const LayerState& state, const ChunkArrays& arrays,
                  const Chunk& chunk, const SelectedBlocks& selected, size_t t,
                  std::vector<const float*>& rows) {
  rows.clear();
  const uint64_t position = chunk.first_position + t;
  const uint64_t oldest = position + 1 > config.sliding_window ? position + 1 - config.sliding_window : 0;
  for (uint64_t p = oldest; p <= position; ++p) {
    rows.push_back(p < chunk.first_position ? state.window.row(p)
                                            : arrays.kv + (p - chunk.first_position) * config.head_dim);
  }
  if (!state.compressor) return;
  const RowStore& compressed = state.compressor->rows();
  if (!selected.empty()) {
    for (const uint32_t block : selected[t]) rows.push_back(compressed.row(block));
    return;
  }
  const uint64_t visible = (position + 1) / state.compressor->shape().ratio;
  for (uint64_t block = 0; block < visible; ++block) rows.push_back(compressed.row(block));
}

// Every head of every token attends; its output, rotated back, takes the place of its query.
void attend_heads(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                  const LayerState& state, const Chunk& chunk, const SelectedBlocks& selected,
                  const ChunkArrays& arrays) {
  const size_t heads = context.config.num_attention_heads;
  const size_t d = context.config.head_dim;
  const size_t groups = (heads + kAttendHeads - 1) / kAttendHeads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  context.pool.parallel_for(chunk.tokens() * groups, 1, [&](size_t begin, size_t end) {
    std::vector<const float*> rows;
    std::vector<float> outputs(kAttendHeads * d);
    for (size_t i = begin; i < end; ++i) {
      const size_t t = i / groups;
      const size_t first = i % groups * kAttendHeads;
      const size_t count = std::min(kAttendHeads, heads - first);
      float* const queries = arrays.q + (t * heads + first) * d;
      collect_rows(context.config, state, arrays, chunk, selected, t, rows);
      attend(queries, count, rows, d, scale, weights.attn_sink.data() + first, outputs.data());
      for (size_t h = 0; h < count; ++h)
        rope.rotate_back(chunk.first_position + t, outputs.data() + (h + 1) * d - rope.width());
      std::copy_n(outputs.begin(), count * d, queries);
    }
  });
}

// Grouped output projection: wo_a on each group's heads, then wo_b on all groups together.
void project_output(const ForwardContext& context, const AttentionWeights& weights, const ChunkArrays& arrays,
                    size_t tokens, float* y) {
  const ModelConfig& config = context.config;
  const size_t heads_width = size_t{config.num_attention_heads} * config.head_dim;
  const size_t group_width = heads_width / config.o_groups;
  const size_t o_width = size_t{config.o_groups} * config.o_lora_rank;
  float* latent = context.workspace.floats(tokens * o_width);
  std::vector<RowsProduct> products;
  for (size_t group = 0; group < config.o_groups; ++group) {
    products.push_back({weights.wo_a, group * config.o_lora_rank, (group + 1) * config.o_lora_rank,
                        arrays.q + group * group_width, heads_width, latent, o_width});
  }
  matmul_together(context.pool, products, tokens);
  matmul(context.pool, weights.wo_b, latent, tokens, y);
}

void remember_window(const Chunk& chunk, const ChunkArrays& arrays, size_t d, WindowRing& window) {
  const size_t kept = std::min<size_t>(chunk.tokens(), window.window());
  for (size_t t = chunk.tokens() - kept; t < chunk.tokens(); ++t) {
    std::copy_n(arrays.kv + t * d, d, window.row(chunk.first_position + t));
  }
}

}  // namespace

void attention(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
               uint32_t layer, const float* x, const Chunk& chunk, LayerState& state, float* y) {
  const Workspace::Scope scope(context.workspace);
  ChunkArrays arrays;
  project_input(context, weights, rope, x, chunk, arrays);
  project_queries(context, weights, rope, chunk, arrays);
  if (state.compressor) compress(context, *weights.compressor, rope, x, chunk, *state.compressor);
  SelectedBlocks selected;
  if (state.indexer)
    selected = select_blocks(context, *weights.indexer, rope, x, arrays.qr, chunk, *state.indexer);
  attend_heads(context, weights, rope, state, chunk, selected, arrays);
  remember_window(chunk, arrays, context.config.head_dim, state.window);
  project_output(context, weights, arrays, chunk.tokens(), y);
  if (context.observer == nullptr) return;
  for (size_t t = 0; t < chunk.tokens(); ++t) {
    const uint64_t position = chunk.first_position + t;
    if (!selected.empty()) context.observer->on_index(layer, position, selected[t]);
    context.observer->on_attention(layer, position,
                                   {y + t * context.config.hidden_size, context.config.hidden_size});
  }
}

}  // namespace sluice
