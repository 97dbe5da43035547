#include "model/hyper_connection.h"

#include <algorithm>
#include <cmath>

#include "kernels/matmul.h"
#include "kernels/mix_streams.h"
#include "kernels/sinkhorn.h"
#include "kernels/vector_ops.h"

namespace sluice {
namespace {

// m [tokens, fn.rows]: the products of fn with a token's streams end to end, normalised without a weight.
float* mixing_products(const ForwardContext& context, const WeightMatrix& fn, const float* streams,
                       size_t tokens) {
  float* products = context.workspace.floats(tokens * fn.rows);
  matmul(context.pool, fn, streams, tokens, products);
  const auto eps = static_cast<float>(context.config.rms_norm_eps);
  context.pool.parallel_for(tokens, 8, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const float mean_square = sum_of_squares(streams + t * fn.cols, fn.cols) / static_cast<float>(fn.cols);
      scale_in_place(1.0F / std::sqrt(mean_square + eps), fn.rows, products + t * fn.rows);
    }
  });
  return products;
}

// x [D] = sum over s of sigmoid(m[s] * scale + base[s]) + eps, times streams[s].
void weighted_sum(const ModelConfig& config, const float* m, float scale, const float* base,
                  const float* streams, float* x) {
  std::fill_n(x, config.hidden_size, 0.0F);
  for (uint32_t s = 0; s < config.hc_mult; ++s) {
    const float pre = sigmoid(m[s] * scale + base[s]) + static_cast<float>(config.hc_eps);
    add_scaled(pre, streams + size_t{s} * config.hidden_size, config.hidden_size, x);
  }
}

}  // namespace

StreamMixing hc_pre(const ForwardContext& context, const HyperConnectionWeights& weights,
                    const float* streams, size_t tokens, float* x) {
  const ModelConfig& config = context.config;
  const uint32_t hc = config.hc_mult;
  const StreamMixing mixing{context.workspace.floats(tokens * hc),
                            context.workspace.floats(tokens * hc * hc)};
  const Workspace::Scope scope(context.workspace);
  const float* products = mixing_products(context, weights.fn, streams, tokens);
  const SinkhornSettings settings{hc, config.hc_sinkhorn_iters, static_cast<float>(config.hc_eps)};
  const float* base = weights.base.data();
  context.pool.parallel_for(tokens, 1, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const float* m = products + t * weights.fn.rows;
      weighted_sum(config, m, weights.scale[0], base, streams + t * weights.fn.cols,
                   x + t * config.hidden_size);
      float* post = mixing.post + t * hc;
      for (uint32_t s = 0; s < hc; ++s) post[s] = 2 * sigmoid(m[hc + s] * weights.scale[1] + base[hc + s]);
      float* comb = mixing.comb + t * hc * hc;
      for (uint32_t i = 0; i < hc * hc; ++i) comb[i] = m[2 * hc + i] * weights.scale[2] + base[2 * hc + i];
      sinkhorn(settings, comb);
    }
  });
  return mixing;
}

void hc_post(const ForwardContext& context, const StreamMixing& mixing, const float* y, size_t tokens,
             float* streams) {
  const uint32_t hc = context.config.hc_mult;
  const size_t hidden = context.config.hidden_size;
  // Pieces of all tokens' columns, end to end; a piece never reaches into the next token's.
  constexpr size_t kPieceColumns = 1024;
  const size_t pieces = (hidden + kPieceColumns - 1) / kPieceColumns;
  context.pool.parallel_for(tokens * pieces, tokens > 1 ? pieces : 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t t = i / pieces;
      const size_t first = i % pieces * kPieceColumns;
      mix_streams(mixing.post + t * hc, mixing.comb + t * hc * hc, hc, y + t * hidden, hidden, first,
                  std::min(first + kPieceColumns, hidden), streams + t * hc * hidden);
    }
  });
}

void hc_head(const ForwardContext& context, const HyperConnectionWeights& weights, const float* streams,
             size_t tokens, float* x) {
  const Workspace::Scope scope(context.workspace);
  const float* products = mixing_products(context, weights.fn, streams, tokens);
  for (size_t t = 0; t < tokens; ++t) {
    weighted_sum(context.config, products + t * weights.fn.rows, weights.scale[0], weights.base.data(),
                 streams + t * weights.fn.cols, x + t * context.config.hidden_size);
  }
}

}  // namespace sluice
