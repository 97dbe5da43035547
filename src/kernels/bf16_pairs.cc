#include "kernels/bf16_pairs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/codec.h"

namespace sluice {
namespace {

// Below, magnitudes count as zero.
constexpr float kSmallest = 0x1p-60F;

// One block's sum of products: weights in the matrix's order, x in pairs.
float block_sum(const float* weights, const uint16_t* x, PairedColumns columns) {
  float first = 0;
  float second = 0;
  for (size_t m = 0; m < kPairBlockCols / 2; ++m) {
    first = std::fma(weights[columns.first(m)], bf16_to_float(x[2 * m]), first);
    second = std::fma(weights[columns.second(m)], bf16_to_float(x[2 * m + 1]), second);
  }
  return first + second;
}

}  // namespace

size_t PairedTokens::values_of(size_t tokens, size_t cols) {
  return 2 * cols * (tokens + tokens / kTileTokens);
}

PairedTokens::PairedTokens(uint16_t* values, size_t tokens, size_t cols, WeightFormat format)
    : values_(values),
      tokens_(tokens),
      blocks_(cols / kPairBlockCols),
      tiles_((tokens + kTileTokens - 1) / kTileTokens),
      tile_tokens_((tokens + tiles_ - 1) / tiles_),
      columns_(format) {}

size_t PairedTokens::first_token(size_t tile) const {
  return std::min(tile * tile_tokens_, tokens_ - tile_tokens_);
}

void pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                 size_t end) {
  const size_t tokens = pairs.tile_tokens();
  for (size_t b = begin; b < end; ++b) {
    uint16_t* hi = pairs.block(tile, b);
    uint16_t* lo = hi + tokens * kPairBlockCols;
    for (size_t t = 0; t < tokens; ++t, hi += kPairBlockCols, lo += kPairBlockCols) {
      const float* in = x + (pairs.first_token(tile) + t) * x_stride + b * kPairBlockCols;
      for (size_t i = 0; i < kPairBlockCols; ++i) {
        const size_t c = i % 2 == 0 ? pairs.columns().first(i / 2) : pairs.columns().second(i / 2);
        const float value = std::abs(in[c]) < kSmallest ? 0.0F : in[c];
        hi[i] = float_to_bf16(value);
        const float nearest = bf16_to_float(hi[i]);
        lo[i] = std::isfinite(nearest) ? float_to_bf16(value - nearest) : uint16_t{0};
      }
    }
  }
}

void pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                      size_t first_block, float* y, size_t y_stride) {
  std::vector<float> weights(w.cols);
  const size_t tokens = x.tile_tokens();
  for (size_t row = row_begin; row < row_end; ++row) {
    decode_row(w, static_cast<uint32_t>(row), weights.data());
    for (size_t tile = 0; tile < x.tiles(); ++tile) {
      for (size_t t = 0; t < tokens; ++t) {
        float sum = 0;
        for (size_t b = 0; b < w.cols / kPairBlockCols; ++b) {
          const uint16_t* hi = x.block(tile, first_block + b) + t * kPairBlockCols;
          const float* block_weights = weights.data() + b * kPairBlockCols;
          sum += block_sum(block_weights, hi, x.columns());
          sum += block_sum(block_weights, hi + tokens * kPairBlockCols, x.columns());
        }
        y[(x.first_token(tile) + t) * y_stride + row] = sum;
      }
    }
  }
}

}  // namespace sluice
