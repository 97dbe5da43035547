// Products of stored weights with activations that are split in two bf16 values each: the arithmetic of
// `--numerics fast` on machines whose tiles multiply bf16 (AMX).
//
// An activation x becomes hi = bf16(x), the nearest, and lo = bf16(x - hi), which together have 16
// significant bits or more. A magnitude below 2^-60 counts as zero, and beside an infinite or NaN hi, lo is
// zero. A weight times its block's scale is exact in bf16 for MXFP4 and FP8.
//
// The order of additions is that of TDPBF16PS (Intel's Software Developer's Manual, volume 2). Columns are
// taken in blocks of 32, each with hi and then with lo. Of a block, sixteen columns are the first of a pair,
// the others the second. The first ones' products are added up in ascending order by fused multiply-adds from
// zero; so are the second ones'; the two sums are added, and the result is added to what the output has
// gained so far. So a result depends on nothing but its row and its token.
//
// The blocks of a line, which is what 64 bytes of a row's codes hold, share its columns (LineColumns): whole
// rows of tiles come out of a line with few instructions. A line that a row does not fill is filled with
// zeros.
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

// Which columns of a line make the pair m < 16 of its block b: of MXFP4, four blocks have every fourth
// column, as they are in words of four nibbles; of FP8, two have every second one.
struct LineColumns {
  size_t blocks;

  explicit constexpr LineColumns(WeightFormat format) : blocks(format == WeightFormat::kMXFP4 ? 4 : 2) {}
  constexpr size_t count() const { return blocks * kPairBlockCols; }
  constexpr size_t first(size_t b, size_t m) const { return 2 * blocks * m + b; }
  constexpr size_t second(size_t b, size_t m) const { return first(b, m) + blocks; }
};

// Whether these are products for weights of a format.
constexpr bool has_pairs(WeightFormat format) {
  return format == WeightFormat::kMXFP4 || format == WeightFormat::kFP8;
}

// Activations as planes of bf16 pairs, in tiles of tokens: a view. The tiles have as many tokens as each
// other, at most kTileTokens: the last one begins so early that it has them too.
class PairedTokens {
 public:
  // What `values` holds, in bf16 values.
  static size_t values_of(size_t tokens, size_t cols, WeightFormat format);

  // cols % 32 == 0, tokens >= 1.
  PairedTokens(uint16_t* values, size_t tokens, size_t cols, WeightFormat format);

  size_t tokens() const { return tokens_; }
  size_t cols() const { return cols_; }
  size_t lines() const { return lines_; }
  size_t tiles() const { return tiles_; }
  size_t tile_tokens() const { return tile_tokens_; }
  size_t first_token(size_t tile) const;
  LineColumns columns() const { return columns_; }

  // Blocks, one behind the other: hi [pair m][tile_tokens][first, second], then lo likewise.
  uint16_t* line(size_t tile, size_t l) const {
    return values_ + (tile * lines_ + l) * columns_.blocks * block_values();
  }
  size_t block_values() const { return 2 * tile_tokens_ * kPairBlockCols; }

 private:
  uint16_t* values_;
  size_t tokens_;
  size_t cols_;
  LineColumns columns_;
  size_t lines_;
  size_t tiles_;
  size_t tile_tokens_;
};

// Fills lines [begin, end) of a tile from x [tokens, x_stride].
void pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                 size_t end);

// y[t * y_stride + r] = sum over c of w[r, c] * x[t, first_col + c] for rows [row_begin, row_end) of w, for
// whose format x was paired, with the columns from line `first_line` on. Both have whole lines, or end
// together. In scalar arithmetic, for any machine: what faster kernels have to agree with to the bit, NaN
// aside.
void pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                      size_t first_line, float* y, size_t y_stride);

}  // namespace sluice
