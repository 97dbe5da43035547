#include "model/compressor.h"

#include <algorithm>
#include <cmath>

#include "kernels/activations.h"
#include "kernels/vector_ops.h"
#include "numerics/rows.h"

namespace sluice {
namespace {

// One channel's softmax over gates, applied to values, accumulated token by token. The running maximum keeps
// it finite for any gate (online softmax, Milakov & Gimelshein 2018).
struct ChannelSoftmax {
  float largest = -INFINITY;
  float total = 0;
  float weighted = 0;

  void add(float gate, float value) {
    const float next = std::max(largest, gate);
    const float keep = total == 0 ? 0 : std::exp(largest - next);
    const float weight = std::exp(gate - next);
    total = total * keep + weight;
    weighted = weighted * keep + weight * value;
    largest = next;
  }
};

// The row of the block that is complete in `state`, before norm and rope: row [row_width].
void mix_block(CompressorState& state, float* row) {
  const CompressorShape& shape = state.shape();
  const bool has_previous = shape.overlapping && state.rows().size() > 0;
  const uint32_t own_half =
      shape.overlapping ? shape.row_width : 0;  // where a block's own row starts in its inputs
  for (uint32_t channel = 0; channel < shape.row_width; ++channel) {
    ChannelSoftmax softmax;
    for (uint32_t i = 0; has_previous && i < shape.ratio; ++i) {
      softmax.add(state.previous_gate(i)[channel], state.previous_kv(i)[channel]);
    }
    for (uint32_t i = 0; i < shape.ratio; ++i) {
      softmax.add(state.pending_gate(i)[own_half + channel], state.pending_kv(i)[own_half + channel]);
    }
    row[channel] = softmax.weighted / softmax.total;
  }
}

// Norm, then rope at the block's first position on the last channels; the row joins the state, in whose
// format it is rounded.
void close_block(const ForwardContext& context, const CompressorWeights& weights, const Rope& rope,
                 float* row, CompressorState& state) {
  const CompressorShape& shape = state.shape();
  const uint64_t first_position = state.rows().size() * uint64_t{shape.ratio};
  const auto eps = static_cast<float>(context.config.rms_norm_eps);
  rms_norm(row, weights.norm.data(), eps, shape.row_width, row);
  rope.rotate(first_position, row + shape.row_width - rope.width());
  encode_row(state.rows().format(), {row, shape.row_width}, state.rows().append());
  state.close_block();
}

}  // namespace

void compress(const ForwardContext& context, const CompressorWeights& weights, const Rope& rope,
              const float* x, const Batch& batch, std::span<CompressorState* const> states) {
  const Workspace::Scope scope(context.workspace);
  const CompressorShape& shape = states.front()->shape();
  const uint32_t width = shape.input_width();
  float* kv = context.workspace.floats(batch.rows() * width);
  float* gate = context.workspace.floats(batch.rows() * width);
  float* mixed = context.workspace.floats(shape.row_width);
  const Activations inputs = exact_activations(context, weights.wkv, x, batch.rows());
  const ActivationsProduct products[] = {{inputs, weights.wkv, 0, width, kv, width},
                                         {inputs, weights.wgate, 0, width, gate, width}};
  multiply_together(context.pool, products);
  for (size_t row = 0; row < batch.rows(); ++row) {
    CompressorState& state = *states[batch.chunk_of(row)];
    const auto index = static_cast<uint32_t>(batch.position(row) % shape.ratio);
    std::copy_n(kv + row * width, width, state.pending_kv(index));
    std::copy_n(gate + row * width, width, state.pending_gate(index));
    add_scaled(1.0F, weights.ape.data() + size_t{index} * width, width, state.pending_gate(index));
    if (index + 1 < shape.ratio) continue;
    mix_block(state, mixed);
    close_block(context, weights, rope, mixed, state);
  }
}

}  // namespace sluice
