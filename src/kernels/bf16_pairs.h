// Products of stored weights with activations that are split in two bf16 values each: the arithmetic of
// `--numerics fast` on machines whose tiles multiply bf16 (AMX).
//
// An activation x becomes hi + lo, with 15 to 16 significant bits or more. A weight times its block's scale
// is exact in bf16 for MXFP4 and FP8.
//
// For FP8 weights, hi = bf16(x), the nearest, and lo = bf16(x - hi). A magnitude below 2^-60 counts as zero,
// and beside an infinite or NaN hi, lo is zero.
//
// For MXFP4 weights, the columns that share a scale become integers of 16 bits, in units of a power of two
// (PairUnit), each of which is 256 times its upper byte, hi, and its lower one, lo, both signed. Twice an
// element of MXFP4 is an integer too, 12 at most, so that sums of such products are exact in any order, and
// by whatever multiplies integers (kernels/byte_pairs.h).
//
// The order of additions is that of TDPBF16PS (Intel's Software Developer's Manual, volume 2). Columns are
// taken in blocks of 32, each with hi and then with lo. Of a block, sixteen columns are the first of a pair,
// the others the second. The first ones' products are added up in ascending order by fused multiply-adds from
// zero; so are the second ones'; the two sums are added, and the result is added to what the output has
// gained so far. So a result depends on nothing but its row and its token.
//
// Whole rows of tiles come out of a line, which is 64 bytes of a row's codes, with few instructions: hence
// which columns are in a block and in its pairs (LineColumns). A line that a row does not fill is filled with
// zeros.
//
// That instruction takes subnormal numbers for zero, and not quite as a rule of its manual would have it.
// None can arise from scales of 2^-31 and more: lo is a multiple of 2^-83, and a weight one of 2^-9 scales
// (of 2^-74, and of half a scale, for MXFP4). What has smaller scales, or some of 2^33 and more, with which
// integers could leave the range of float32, is multiplied in scalar arithmetic, by all kernels.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "numerics/weight_matrix.h"

namespace sluice {

inline constexpr size_t kPairBlockCols = 32;
inline constexpr size_t kTileTokens = 16;  // at most, that are multiplied together

// What the integers are multiples of that a block of 32 activations becomes for MXFP4 weights: the least
// power of two that takes the largest magnitude to no more than 32639, both bytes of which are 127.
struct PairUnit {
  float unit;
  float per_unit;  // its reciprocal

  // Of the bits of the largest magnitude, which are ordered as magnitudes are. A block whose largest is below
  // 2^-60 is zero; one with NaN, or with 2^60 and more, which could leave the range of float32, is NaN.
  static constexpr PairUnit of(uint32_t bits) {
    if (bits < kSmallestBits) return {0, 0};
    if (bits >= kInfiniteBits) return {std::numeric_limits<float>::quiet_NaN(), 0};
    const uint32_t exponent = (bits + kToNextPower) >> kMantissaBits;
    return {std::bit_cast<float>((exponent - kUnitBits) << kMantissaBits),
            std::bit_cast<float>((2 * kBias + kUnitBits - exponent) << kMantissaBits)};
  }

 private:
  static constexpr uint32_t kMantissaBits = 23;
  static constexpr uint32_t kBias = 127;
  static constexpr uint32_t kUnitBits = 14;  // of 32639, behind the first one
  static constexpr uint32_t kSmallestBits = (kBias - 60) << kMantissaBits;
  static constexpr uint32_t kInfiniteBits = (kBias + 60) << kMantissaBits;
  static constexpr uint32_t kToNextPower = 0x47000000 - 0x46fefe01;  // what is more than 32639 to 32768
};

// Which columns of a line make the pair m < 16 of its block b. Of MXFP4, a line is four blocks that have a
// scale each, in which words of four nibbles are taken apart: pairs have the first nibbles of two words, then
// the second ones. Of FP8, two blocks have every second column.
struct LineColumns {
  size_t blocks;

  explicit constexpr LineColumns(WeightFormat format) : blocks(format == WeightFormat::kMXFP4 ? 4 : 2) {}
  constexpr size_t count() const { return blocks * kPairBlockCols; }
  constexpr size_t first(size_t b, size_t m) const {
    return blocks == 4 ? b * kPairBlockCols + m % 4 * 8 + m / 4 : 4 * m + b;
  }
  constexpr size_t second(size_t b, size_t m) const { return first(b, m) + (blocks == 4 ? 4 : 2); }
};

// Whether these are products for weights of a format.
constexpr bool has_pairs(WeightFormat format) {
  return format == WeightFormat::kMXFP4 || format == WeightFormat::kFP8;
}

// Activations as planes of bf16 pairs, in tiles of tokens: a view. Tiles have kTileTokens each, the last one
// of several too, which begins so early that it has them; one alone has what there is.
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
