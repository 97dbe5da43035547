// Products of MXFP4 weights with activations that are rounded to fixed point: the arithmetic of
// `--numerics fast`.
//
// Activations are rounded in blocks of 32 columns to integers of 16 bits and one scale, the block's largest
// magnitude / 32767. MXFP4's elements are integers of their own kind: twice a value is one of 0 ... 12. So a
// block's dot product is a sum of integer products, exact in any order, and float32 enters only where blocks
// are added up.
//
// The order of that: columns are taken in groups of 128, four blocks, the last filled up with zeros. Of
// sixteen partial sums ("lanes"), lane l gains, for each group in ascending order, the integer sum over
// columns 8 l ... 8 l + 7, converted to float32 (which is exact), times (weight scale times activation
// scale), with one fused multiply-add. At the end lane l gains lane l + 8, then l + 4, l + 2, l + 1. So a
// result depends on nothing but its row and its token, on all machines that fuse multiply and add.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/groups.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// What one means in the integers of MXFP4 weights: twice the value, in the upper byte of 16 bits.
inline constexpr float kMXFP4One = 512.0F;

// A group of columns as integers, of a token or of a row of weights.
struct alignas(64) FixedGroup {
  int16_t values[4][32];  // [k][m]: column 4 m + k, as nibbles come out of words of 16 bits
  float scales[16];       // of each lane, so the same four times over
};

// x [cols] -> groups [groups_of(cols)]. A block with an infinity or NaN becomes NaN; one whose largest
// magnitude is below 2^-100 becomes zero.
void round_to_fixed(const float* x, size_t cols, FixedGroup* groups);

// y[t * y_stride + r] = sum over c of w[r, c] * x[t, c] for rows [row_begin, row_end) of w, which is MXFP4,
// and x [tokens, groups_of(w.cols)]. Runs on the calling thread; calls on disjoint rows may run at
// once.
void fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                       size_t tokens, float* y, size_t y_stride);

// What every thread that has multiplied many tokens keeps until it ends.
size_t fixed_thread_bytes();

}  // namespace sluice
