// One token's activations for MXFP4 weights as pairs of bytes, and their products by AVX-512 with VNNI, which
// multiplies bytes and adds them up in one instruction: the arithmetic of kernels/bf16_pairs.h, to the bit.
// Tiles would have to be given such weights by way of a cache; here they are multiplied where they are
// decoded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "numerics/weight_matrix.h"

namespace sluice {

// Four lines of a row, with zeros behind its end.
struct alignas(64) ByteChunk {
  static constexpr size_t kLines = 4;
  static constexpr size_t kLineBlocks = 4;
  static constexpr size_t kCols = 512;

  // Of a line's integers one byte: those of even columns, which meet the lower nibbles of weights, and those
  // of odd ones.
  struct Plane {
    int8_t even[64];
    int8_t odd[64];
    // What sums begin with, since twice a weight is taken for 12 more than it is: its bytes have no signs.
    int32_t start[16];
  };
  struct Line {
    Plane hi;
    Plane lo;
  };

  Line lines[kLines];
  float half_units[16];  // of block b of line l at 4 b + l: half of PairUnit::unit
};

// Whether this processor has these instructions.
bool has_byte_pairs();

// How many x [cols] becomes.
constexpr size_t byte_chunks_of(size_t cols) {
  return (cols + ByteChunk::kCols - 1) / ByteChunk::kCols;
}

// x [cols] as chunks [byte_chunks_of(cols)]. REQUIRES has_byte_pairs().
void pair_bytes(const float* x, size_t cols, ByteChunk* chunks);

// y[r] = sum over c of w[r, c] * x[c] for rows [row_begin, row_end) of w, which is MXFP4, and x [w.cols], of
// which chunks were made. Runs on the calling thread; calls on disjoint rows may run at once.
// REQUIRES has_byte_pairs().
void byte_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                           const ByteChunk* chunks, float* y);

// What every thread that has multiplied up to `cols` columns keeps until it ends.
size_t byte_pair_thread_bytes(size_t cols);

}  // namespace sluice
