// Products of stored weights with activations that are split in two bf16 values each: the arithmetic of
// `--numerics fast` on machines whose tiles multiply bf16 (AMX).
//
// An activation x becomes hi = bf16(x), the nearest, and lo = bf16(x - hi), which together have 16
// significant bits or more. A magnitude below 2^-60 counts as zero, and beside an infinite or NaN hi, lo is
// zero. A weight times its block's scale is exact in bf16 for MXFP4 and FP8.
//
// The order of additions is that of TDPBF16PS (Intel's Software Developer's Manual, volume 2). Columns are
// taken in blocks of 32, each with hi and then with lo. Of a block, sixteen columns are the first of a pair,
// the others the second (PairedColumns). The first ones' products are added up in ascending order by fused
// multiply-adds from zero; so are the second ones'; the two sums are added, and the result is added to what
// the output has gained so far. So a result depends on nothing but its row and its token.
//
// That instruction takes subnormal numbers for zero, and not quite as a rule of its manual would have it.
// None can arise from scales of 2^-31 and more: lo is a multiple of 2^-83, and a weight one of 2^-9 scales.
// What has smaller scales is multiplied in scalar arithmetic, by all kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "numerics/weight_matrix.h"

namespace sluice {

inline constexpr size_t kPairBlockCols = 32;
inline constexpr size_t kTileTokens = 16;  // at most, that are multiplied together

// Which columns of a block make the pair m < 16: as they come out of a format's codes with few instructions,
// nibbles of words for MXFP4 and bytes of words for FP8.
struct PairedColumns {
  size_t distance;

  explicit constexpr PairedColumns(WeightFormat format) : distance(format == WeightFormat::kMXFP4 ? 4 : 2) {}
  constexpr size_t first(size_t m) const { return m / distance * 2 * distance + m % distance; }
  constexpr size_t second(size_t m) const { return first(m) + distance; }
};

// Whether these are products for weights of a format.
constexpr bool has_pairs(WeightFormat format) {
  return format == WeightFormat::kMXFP4 || format == WeightFormat::kFP8;
}

// Activations as planes of bf16 pairs, in tiles of tokens: a view. The tiles have as many tokens as each
// other, at most kTileTokens: the last one begins so early that it has them too.
class PairedTokens {
 public:
  // What `values` holds, in bf16 values: at most 2 * cols * (tokens + tokens / kTileTokens).
  static size_t values_of(size_t tokens, size_t cols);

  // cols % 32 == 0, tokens >= 1.
  PairedTokens(uint16_t* values, size_t tokens, size_t cols, WeightFormat format);

  size_t tokens() const { return tokens_; }
  size_t blocks() const { return blocks_; }
  size_t tiles() const { return tiles_; }
  size_t tile_tokens() const { return tile_tokens_; }
  size_t first_token(size_t tile) const;
  PairedColumns columns() const { return columns_; }

  // hi [tile_tokens][pair m][first, second], then lo likewise.
  uint16_t* block(size_t tile, size_t b) const {
    return values_ + (tile * blocks_ + b) * 2 * tile_tokens_ * kPairBlockCols;
  }

 private:
  uint16_t* values_;
  size_t tokens_;
  size_t blocks_;
  size_t tiles_;
  size_t tile_tokens_;
  PairedColumns columns_;
};

// Fills blocks [begin, end) of a tile from x [tokens, x_stride].
void pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                 size_t end);

// y[t * y_stride + r] = sum over c of w[r, c] * x[t, 32 * first_block + c] for rows [row_begin, row_end) of
// w, for whose format x was paired and which has whole blocks of columns. In scalar arithmetic, for any
// machine: what faster kernels have to agree with to the bit, NaN aside.
void pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                      size_t first_block, float* y, size_t y_stride);

}  // namespace sluice
