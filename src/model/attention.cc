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

using SelectedBlocks = std::vector<std::vector<uint32_t>>;  // per row; empty without an indexer
using LayerStates = std::span<LayerState* const>;           // per chunk

// The sublayer's arrays.
struct Arrays {
  const float* qr = nullptr;  // [rows, q_lora]: normalised query latent
  float* q = nullptr;         // [rows, H, d]: queries, then the heads' outputs in their place
  const float* kv = nullptr;  // [rows, d]: what the chunks add to their windows
};

// What follows from the input alone: the queries' latent, and the window rows, each of them one key that is
// also the value, for all heads.
void project_input(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                   const float* x, const Batch& batch, Arrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t d = config.head_dim;
  const size_t latent = config.q_lora_rank;
  float* qr = context.workspace.floats(batch.rows() * latent);
  float* kv = context.workspace.floats(batch.rows() * d);
  const RowsProduct products[] = {
      {weights.wq_a, 0, latent, x, config.hidden_size, qr, latent},
      {weights.wkv, 0, d, x, config.hidden_size, kv, d},
  };
  matmul_together(context.pool, products, batch.rows());
  for (size_t row = 0; row < batch.rows(); ++row) {
    rms_norm(qr + row * latent, weights.q_norm.data(), eps, latent, qr + row * latent);
    rms_norm(kv + row * d, weights.kv_norm.data(), eps, d, kv + row * d);
    rope.rotate(batch.position(row), kv + (row + 1) * d - rope.width());
  }
  arrays.qr = qr;
  arrays.kv = kv;
}

// Queries of all heads from the latent: per-head norm, rope.
void project_queries(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                     const Batch& batch, Arrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t heads = config.num_attention_heads;
  const size_t d = config.head_dim;
  arrays.q = context.workspace.floats(batch.rows() * heads * d);
  matmul(context.pool, weights.wq_b, arrays.qr, batch.rows(), arrays.q);
  context.pool.parallel_for(batch.rows() * heads, 16, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      float* head = arrays.q + i * d;
      rms_norm(head, nullptr, eps, d, head);
      rope.rotate(batch.position(i / heads), head + d - rope.width());
    }
  });
}

// What the query of a row sees of its sequence: window rows by age, then compressed rows by age. The order
// fixes the sum.
void collect_rows(const ModelConfig& config, LayerStates states, const Arrays& arrays, const Batch& batch,
                  const SelectedBlocks& selected, size_t row, std::vector<const float*>& rows) {
  rows.clear();
  const size_t chunk = batch.chunk_of(row);
  const LayerState& state = *states[chunk];
  const float* const own = arrays.kv + batch.first_row(chunk) * config.head_dim;
  const uint64_t first_position = batch.chunks()[chunk].first_position;
  const uint64_t position = batch.position(row);
  const uint64_t oldest = position + 1 > config.sliding_window ? position + 1 - config.sliding_window : 0;
  for (uint64_t p = oldest; p <= position; ++p) {
    rows.push_back(p < first_position ? state.window.row(p) : own + (p - first_position) * config.head_dim);
  }
  if (!state.compressor) return;
  const RowStore& compressed = state.compressor->rows();
  if (!selected.empty()) {
    for (const uint32_t block : selected[row]) rows.push_back(compressed.row(block));
    return;
  }
  const uint64_t visible = (position + 1) / state.compressor->shape().ratio;
  for (uint64_t block = 0; block < visible; ++block) rows.push_back(compressed.row(block));
}

// Every head of every row attends; its output, rotated back, takes the place of its query.
void attend_heads(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                  LayerStates states, const Batch& batch, const SelectedBlocks& selected,
                  const Arrays& arrays) {
  const size_t heads = context.config.num_attention_heads;
  const size_t d = context.config.head_dim;
  const size_t groups = (heads + kAttendHeads - 1) / kAttendHeads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  context.pool.parallel_for(batch.rows() * groups, 1, [&](size_t begin, size_t end) {
    std::vector<const float*> rows;
    std::vector<float> outputs(kAttendHeads * d);
    for (size_t i = begin; i < end; ++i) {
      const size_t row = i / groups;
      const size_t first = i % groups * kAttendHeads;
      const size_t count = std::min(kAttendHeads, heads - first);
      float* const queries = arrays.q + (row * heads + first) * d;
      collect_rows(context.config, states, arrays, batch, selected, row, rows);
      attend(queries, count, rows, d, scale, weights.attn_sink.data() + first, outputs.data());
      for (size_t h = 0; h < count; ++h)
        rope.rotate_back(batch.position(row), outputs.data() + (h + 1) * d - rope.width());
      std::copy_n(outputs.begin(), count * d, queries);
    }
  });
}

// Grouped output projection: wo_a on each group's heads, then wo_b on all groups together.
void project_output(const ForwardContext& context, const AttentionWeights& weights, const Arrays& arrays,
                    size_t row_count, float* y) {
  const ModelConfig& config = context.config;
  const size_t heads_width = size_t{config.num_attention_heads} * config.head_dim;
  const size_t group_width = heads_width / config.o_groups;
  const size_t o_width = size_t{config.o_groups} * config.o_lora_rank;
  float* latent = context.workspace.floats(row_count * o_width);
  std::vector<RowsProduct> products;
  for (size_t group = 0; group < config.o_groups; ++group) {
    products.push_back({weights.wo_a, group * config.o_lora_rank, (group + 1) * config.o_lora_rank,
                        arrays.q + group * group_width, heads_width, latent, o_width});
  }
  matmul_together(context.pool, products, row_count);
  matmul(context.pool, weights.wo_b, latent, row_count, y);
}

// kv [tokens, d]: of one chunk.
void remember_window(const Chunk& chunk, const float* kv, size_t d, WindowRing& window) {
  const size_t kept = std::min<size_t>(chunk.tokens(), window.window());
  for (size_t t = chunk.tokens() - kept; t < chunk.tokens(); ++t) {
    std::copy_n(kv + t * d, d, window.row(chunk.first_position + t));
  }
}

void show(const ForwardContext& context, uint32_t layer, const Batch& batch, const SelectedBlocks& selected,
          const float* y) {
  const size_t hidden = context.config.hidden_size;
  for (size_t row = 0; row < batch.rows(); ++row) {
    ForwardObserver* const observer = batch.observer(row);
    if (observer == nullptr) continue;
    if (!selected.empty()) observer->on_index(layer, batch.position(row), selected[row]);
    observer->on_attention(layer, batch.position(row), {y + row * hidden, hidden});
  }
}

std::vector<CompressorState*> states_of(LayerStates states,
                                        std::optional<CompressorState> LayerState::*which) {
  std::vector<CompressorState*> found;
  for (LayerState* const state : states) found.push_back(&*(state->*which));
  return found;
}

}  // namespace

void attention(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
               uint32_t layer, const float* x, const Batch& batch, LayerStates states, float* y) {
  const Workspace::Scope scope(context.workspace);
  const size_t d = context.config.head_dim;
  Arrays arrays;
  project_input(context, weights, rope, x, batch, arrays);
  project_queries(context, weights, rope, batch, arrays);
  if (states.front()->compressor)
    compress(context, *weights.compressor, rope, x, batch, states_of(states, &LayerState::compressor));
  SelectedBlocks selected;
  if (states.front()->indexer) {
    selected = select_blocks(context, *weights.indexer, rope, x, arrays.qr, batch,
                             states_of(states, &LayerState::indexer));
  }
  attend_heads(context, weights, rope, states, batch, selected, arrays);
  for (size_t chunk = 0; chunk < states.size(); ++chunk) {
    remember_window(batch.chunks()[chunk], arrays.kv + batch.first_row(chunk) * d, d, states[chunk]->window);
  }
  project_output(context, weights, arrays, batch.rows(), y);
  show(context, layer, batch, selected, y);
}

}  // namespace sluice
