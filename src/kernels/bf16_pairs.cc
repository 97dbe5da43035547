#include "kernels/bf16_pairs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include "numerics/codec.h"

namespace sluice {
namespace {

// Below, magnitudes count as zero.
constexpr float kSmallest = 0x1p-60F;

// One value as hi and lo.
struct Halves {
  uint16_t hi;
  uint16_t lo;

  explicit Halves(float value) {
    if (std::abs(value) < kSmallest) value = 0;
    hi = float_to_bf16(value);
    const float nearest = bf16_to_float(hi);
    lo = std::isfinite(nearest) ? float_to_bf16(value - nearest) : uint16_t{0};
  }

  // For MXFP4 weights, as a multiple of a unit.
  Halves(float value, PairUnit unit) {
    const int integer = unit.per_unit == 0 ? 0 : static_cast<int>(std::lrint(value * unit.per_unit));
    const int upper = (integer + 128) >> 8;
    hi = float_to_bf16(static_cast<float>(256 * upper) * unit.unit);
    lo = float_to_bf16(static_cast<float>(integer - 256 * upper) * unit.unit);
  }
};

// x [columns.count()], a token's line.
std::vector<Halves> halves_of_line(const float* x, LineColumns columns) {
  std::vector<Halves> halves;
  for (size_t first = 0; first < columns.count(); first += kPairBlockCols) {
    const std::span block(x + first, kPairBlockCols);
    if (columns.blocks == 2) {
      for (const float value : block) halves.emplace_back(value);
      continue;
    }
    uint32_t largest = 0;
    for (const float value : block) largest = std::max(largest, std::bit_cast<uint32_t>(std::abs(value)));
    for (const float value : block) halves.emplace_back(value, PairUnit::of(largest));
  }
  return halves;
}

// The sum of products of a line's block b: its weights in the matrix's order, x a token's pairs of a plane,
// `stride` values apart.
float block_sum(const float* weights, LineColumns columns, size_t b, const uint16_t* x, size_t stride) {
  float first = 0;
  float second = 0;
  for (size_t m = 0; m < kPairBlockCols / 2; ++m, x += stride) {
    first = std::fma(weights[columns.first(b, m)], bf16_to_float(x[0]), first);
    second = std::fma(weights[columns.second(b, m)], bf16_to_float(x[1]), second);
  }
  return first + second;
}

// Of a row, which is filled up to whole lines, and of a token.
float row_sum(const std::vector<float>& weights, const PairedTokens& x, size_t tile, size_t token,
              size_t first_line) {
  const LineColumns columns = x.columns();
  const size_t plane_values = x.block_values() / 2;
  float sum = 0;
  for (size_t l = 0; l < weights.size() / columns.count(); ++l) {
    const uint16_t* at = x.line(tile, first_line + l) + 2 * token;
    for (size_t b = 0; b < columns.blocks; ++b) {
      for (size_t plane = 0; plane < 2; ++plane, at += plane_values)
        sum += block_sum(weights.data() + l * columns.count(), columns, b, at, 2 * x.tile_tokens());
    }
  }
  return sum;
}

size_t lines_of(size_t cols, LineColumns columns) {
  return (cols + columns.count() - 1) / columns.count();
}

size_t tiles_of(size_t tokens) {
  return (tokens + kTileTokens - 1) / kTileTokens;
}

}  // namespace

size_t PairedTokens::values_of(size_t tokens, size_t cols, WeightFormat format) {
  const LineColumns columns(format);
  return 2 * lines_of(cols, columns) * columns.count() * tiles_of(tokens) * std::min(tokens, kTileTokens);
}

PairedTokens::PairedTokens(uint16_t* values, size_t tokens, size_t cols, WeightFormat format)
    : values_(values),
      tokens_(tokens),
      cols_(cols),
      columns_(format),
      lines_(lines_of(cols, columns_)),
      tiles_(tiles_of(tokens)),
      tile_tokens_(std::min(tokens, kTileTokens)) {}

size_t PairedTokens::first_token(size_t tile) const {
  return std::min(tile * tile_tokens_, tokens_ - tile_tokens_);
}

void pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                 size_t end) {
  const LineColumns columns = pairs.columns();
  const size_t tokens = pairs.tile_tokens();
  std::vector<float> line(columns.count());
  for (size_t l = begin; l < end; ++l) {
    for (size_t t = 0; t < tokens; ++t) {
      const size_t col = l * columns.count();
      const float* in = x + (pairs.first_token(tile) + t) * x_stride + col;
      std::ranges::fill(line, 0.0F);
      std::copy_n(in, std::min(columns.count(), pairs.cols() - col), line.data());
      const auto halves = halves_of_line(line.data(), columns);
      uint16_t* hi = pairs.line(tile, l) + 2 * t;
      for (size_t b = 0; b < columns.blocks; ++b, hi += pairs.block_values()) {
        uint16_t* const lo = hi + pairs.block_values() / 2;
        for (size_t m = 0; m < kPairBlockCols / 2; ++m) {
          const Halves first = halves[columns.first(b, m)];
          const Halves second = halves[columns.second(b, m)];
          hi[2 * m * tokens] = first.hi;
          hi[2 * m * tokens + 1] = second.hi;
          lo[2 * m * tokens] = first.lo;
          lo[2 * m * tokens + 1] = second.lo;
        }
      }
    }
  }
}

void pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                      size_t first_line, float* y, size_t y_stride) {
  std::vector<float> weights(lines_of(w.cols, x.columns()) * x.columns().count());
  for (size_t row = row_begin; row < row_end; ++row) {
    decode_row(w, static_cast<uint32_t>(row), weights.data());
    for (size_t tile = 0; tile < x.tiles(); ++tile) {
      for (size_t t = 0; t < x.tile_tokens(); ++t)
        y[(x.first_token(tile) + t) * y_stride + row] = row_sum(weights, x, tile, t, first_line);
    }
  }
}

}  // namespace sluice
