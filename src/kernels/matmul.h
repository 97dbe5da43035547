// Products of stored weights with float32 activations.
//
// Exact numerics: every weight is decoded to float32 without rounding, every output element is one float32
// dot product in sixteen partial sums, whose order of additions (lanes-inl.h has it) depends on nothing but
// its length. So an output has the same bits whatever the number of tokens, the split of rows over threads,
// the place of the weights in memory, or the width of the machine's vectors, as long as it fuses multiply and
// add.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"
#include "kernels/packed_tokens.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// y[t * y_stride + r] = sum over c of w[r, c] * x[t * x_stride + c], for rows [row_begin, row_end) of w and
// t < tokens. Runs on the calling thread; calls on disjoint rows may run at once.
void matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, size_t x_stride,
                 size_t tokens, float* y, size_t y_stride);

// What every thread that has called matmul_rows with up to so many columns keeps until it ends.
size_t matmul_thread_bytes(size_t cols);

// The same of tokens that are packed for w's format.
void packed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x,
                        float* y, size_t y_stride);

// Whether to pack tokens once for all rows, rather than for each task that matmul_rows is called in: so few
// are packed in less time than a thread takes to start.
bool packs_once(size_t tokens);

// How many rows of w each of `threads` should take at once. All of them when the product is so small that one
// thread is done with it before another has woken up.
size_t rows_per_task(const WeightMatrix& w, size_t tokens, size_t threads);

// All rows over the pool: x [tokens, w.cols] -> y [tokens, w.rows].
void matmul(ThreadPool& pool, const WeightMatrix& w, const float* x, size_t tokens, float* y);

}  // namespace sluice
