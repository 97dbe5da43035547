#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/activations.h"
#include "kernels/attend.h"
#include "kernels/vector_ops.h"
#include "model/compressor.h"
#include "model/indexer.h"
#include "numerics/rows.h"

namespace sluice {
namespace {

using SelectedBlocks = std::vector<std::vector<uint32_t>>;  // per row; empty without an indexer
using LayerStates = std::span<LayerState* const>;           // per chunk

// The window rows of a pass, in the format of the windows, each where its float32 values were computed: what
// a query sees of its own chunk are the bits that the window will hold.
struct OwnRows {
  std::byte* first = nullptr;
  size_t stride_bytes = 0;
  std::byte* row(size_t index) const { return first + index * stride_bytes; }
};

// The sublayer's arrays.
struct Arrays {
  const float* qr = nullptr;  // [rows, q_lora]: normalised query latent
  float* q = nullptr;         // [rows, H, d]: queries, then the heads' outputs in their place
  OwnRows kv;                 // what the chunks add to their windows
};

// What follows from the input alone: the queries' latent, and the window rows, each of them one key that is
// also the value, for all heads.
void project_input(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                   const float* x, const Batch& batch, RowFormat format, Arrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t d = config.head_dim;
  const size_t latent = config.q_lora_rank;
  float* qr = context.workspace.floats(batch.rows() * latent);
  float* kv = context.workspace.floats(batch.rows() * d);
  {
    const Workspace::Scope scope(context.workspace);
    const size_t hidden = config.hidden_size;
    const Activations for_queries = activations(context, weights.wq_a, x, batch.rows(), hidden);
    const bool is_shared = weights.wkv.format == weights.wq_a.format;
    const Activations for_kv =
        is_shared ? for_queries : activations(context, weights.wkv, x, batch.rows(), hidden);
    const ActivationsProduct products[] = {{for_queries, weights.wq_a, 0, latent, qr, latent},
                                           {for_kv, weights.wkv, 0, d, kv, d}};
    multiply_together(context.pool, products);
  }
  arrays.qr = qr;
  arrays.kv = {reinterpret_cast<std::byte*>(kv), d * sizeof(float)};
  for (size_t row = 0; row < batch.rows(); ++row) {
    rms_norm(qr + row * latent, weights.q_norm.data(), eps, latent, qr + row * latent);
    rms_norm(kv + row * d, weights.kv_norm.data(), eps, d, kv + row * d);
    rope.rotate(batch.position(row), kv + (row + 1) * d - rope.width());
    encode_row(format, {kv + row * d, d}, arrays.kv.row(row));
  }
}

// Queries of all heads from the latent: per-head norm, rope.
void project_queries(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                     const Batch& batch, Arrays& arrays) {
  const ModelConfig& config = context.config;
  const auto eps = static_cast<float>(config.rms_norm_eps);
  const size_t heads = config.num_attention_heads;
  const size_t d = config.head_dim;
  arrays.q = context.workspace.floats(batch.rows() * heads * d);
  multiply(context, weights.wq_b, arrays.qr, batch.rows(), arrays.q);
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
                  const SelectedBlocks& selected, size_t row, std::vector<const std::byte*>& rows) {
  rows.clear();
  const size_t chunk = batch.chunk_of(row);
  const LayerState& state = *states[chunk];
  const size_t first_row = batch.first_row(chunk);
  const uint64_t first_position = batch.chunks()[chunk].first_position;
  const uint64_t position = batch.position(row);
  const uint64_t oldest = position + 1 > config.sliding_window ? position + 1 - config.sliding_window : 0;
  for (uint64_t p = oldest; p <= position; ++p)
    rows.push_back(p < first_position ? state.window.row(p) : arrays.kv.row(first_row + p - first_position));
  if (!state.compressor) return;
  const RowStore& compressed = state.compressor->rows();
  if (!selected.empty()) {
    for (const uint32_t block : selected[row]) rows.push_back(compressed.row(block));
    return;
  }
  const uint64_t visible = (position + 1) / state.compressor->shape().ratio;
  for (uint64_t block = 0; block < visible; ++block) rows.push_back(compressed.row(block));
}

// Heads that a thread lets attend together: as many as leave work for all threads, since every part of a
// row's heads goes through all that the row sees.
size_t heads_together(const ForwardContext& context, size_t row_count) {
  const size_t groups = (context.config.num_attention_heads + kAttendHeads - 1) / kAttendHeads;
  const size_t parts = std::clamp<size_t>(context.pool.threads() / row_count, 1, groups);
  return (groups + parts - 1) / parts * kAttendHeads;
}

// Every head of every row attends; its output, rotated back, takes the place of its query.
void attend_heads(const ForwardContext& context, const AttentionWeights& weights, const Rope& rope,
                  LayerStates states, const Batch& batch, const SelectedBlocks& selected,
                  const Arrays& arrays) {
  const size_t heads = context.config.num_attention_heads;
  const size_t d = context.config.head_dim;
  const size_t together = heads_together(context, batch.rows());
  const size_t parts = (heads + together - 1) / together;
  const RowFormat format = states.front()->window.format();
  const float scale = 1.0F / std::sqrt(static_cast<float>(d));
  context.pool.parallel_for(batch.rows() * parts, 1, [&](size_t begin, size_t end) {
    std::vector<const std::byte*> rows;
    std::vector<float> outputs(together * d);
    for (size_t i = begin; i < end; ++i) {
      const size_t row = i / parts;
      const size_t first = i % parts * together;
      const size_t count = std::min(together, heads - first);
      float* const queries = arrays.q + (row * heads + first) * d;
      collect_rows(context.config, states, arrays, batch, selected, row, rows);
      attend(queries, count, {format, rows}, d, scale, weights.attn_sink.data() + first, outputs.data());
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
  {
    const Workspace::Scope scope(context.workspace);
    const Activations outputs = activations(context, weights.wo_a, arrays.q, row_count, heads_width);
    std::vector<ActivationsProduct> products;
    for (size_t group = 0; group < config.o_groups; ++group) {
      const size_t first_row = group * config.o_lora_rank;
      products.push_back({outputs, weights.wo_a, first_row, first_row + config.o_lora_rank, latent, o_width,
                          group * group_width});
    }
    multiply_together(context.pool, products);
  }
  multiply(context, weights.wo_b, latent, row_count, y);
}

// own: the row of the chunk's first token, and those after it.
void remember_window(const Chunk& chunk, const OwnRows& own, WindowRing& window) {
  const size_t kept = std::min<size_t>(chunk.tokens(), window.window());
  for (size_t t = chunk.tokens() - kept; t < chunk.tokens(); ++t)
    std::copy_n(own.row(t), window.row_bytes(), window.row(chunk.first_position + t));
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
  Arrays arrays;
  project_input(context, weights, rope, x, batch, states.front()->window.format(), arrays);
  project_queries(context, weights, rope, batch, arrays);
  if (states.front()->compressor)
    compress(context, *weights.compressor, rope, x, batch, states_of(states, &LayerState::compressor));
  SelectedBlocks selected;
  if (states.front()->indexer) {
    selected = select_blocks(context, *weights.indexer, rope, layer, x, arrays.qr, batch,
                             states_of(states, &LayerState::indexer));
  }
  attend_heads(context, weights, rope, states, batch, selected, arrays);
  for (size_t chunk = 0; chunk < states.size(); ++chunk) {
    const OwnRows own{arrays.kv.row(batch.first_row(chunk)), arrays.kv.stride_bytes};
    remember_window(batch.chunks()[chunk], own, states[chunk]->window);
  }
  project_output(context, weights, arrays, batch.rows(), y);
  show(context, layer, batch, selected, y);
}

}  // namespace sluice
