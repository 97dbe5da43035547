#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "kernels/decode_rows.h"
#include "kernels/matvec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// kRows x kTokens outputs at once, each with an accumulator of its own: the tile's shape changes how often a
// value is loaded, never the order in which an output is summed.
template <size_t kRows, size_t kTokens>
void tile(const float* HWY_RESTRICT w, size_t cols, const float* HWY_RESTRICT x, size_t x_stride,
          float* HWY_RESTRICT y, size_t y_stride) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const size_t vector_cols = cols - cols % lanes;
  hn::Vec<decltype(d)> sums[kRows][kTokens];
  for (auto& row : sums) {
    for (auto& sum : row) sum = hn::Zero(d);
  }
  for (size_t c = 0; c < vector_cols; c += lanes) {
    hn::Vec<decltype(d)> inputs[kTokens];
    for (size_t t = 0; t < kTokens; ++t) inputs[t] = hn::LoadU(d, x + t * x_stride + c);
    for (size_t r = 0; r < kRows; ++r) {
      const auto weights = hn::LoadU(d, w + r * cols + c);
      for (size_t t = 0; t < kTokens; ++t) sums[r][t] = hn::MulAdd(weights, inputs[t], sums[r][t]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTokens; ++t) {
      float sum = hn::GetLane(hn::SumOfLanes(d, sums[r][t]));
      for (size_t c = vector_cols; c < cols; ++c) sum += w[r * cols + c] * x[t * x_stride + c];
      y[t * y_stride + r] = sum;
    }
  }
}

template <size_t kRows>
void tile_row_block(const float* w, size_t cols, const float* x, size_t x_stride, size_t tokens, float* y,
                    size_t y_stride) {
  size_t t = 0;
  for (; t + 4 <= tokens; t += 4)
    tile<kRows, 4>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  for (; t < tokens; ++t) tile<kRows, 1>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
}

void product_of_decoded_rows(const float* w, size_t rows, size_t cols, const float* x, size_t x_stride,
                             size_t tokens, float* y, size_t y_stride) {
  size_t r = 0;
  for (; r + 4 <= rows; r += 4) tile_row_block<4>(w + r * cols, cols, x, x_stride, tokens, y + r, y_stride);
  for (; r < rows; ++r) tile_row_block<1>(w + r * cols, cols, x, x_stride, tokens, y + r, y_stride);
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(product_of_decoded_rows);

namespace {
constexpr size_t kDecodedRows = 8;   // rows decoded before they are multiplied: 128 KB at 4096 columns, in L2
constexpr size_t kRowsPerTask = 32;  // what a thread takes at once
// Multiply-adds: about 100 µs of one thread, twice what waking another one takes.
constexpr size_t kSmallProduct = size_t{1} << 20;
}  // namespace

void matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, size_t x_stride,
                 size_t tokens, float* y, size_t y_stride) {
  if (tokens == 1) row_begin = matvec_rows(w, row_begin, row_end, x, y);
  if (row_begin == row_end) return;
  std::vector<float> decoded(kDecodedRows * w.cols);
  for (size_t begin = row_begin; begin < row_end; begin += kDecodedRows) {
    const size_t rows = std::min(kDecodedRows, row_end - begin);
    decode_rows(w, begin, rows, decoded.data());
    HWY_DYNAMIC_DISPATCH(product_of_decoded_rows)
    (decoded.data(), rows, w.cols, x, x_stride, tokens, y + begin, y_stride);
  }
}

size_t rows_per_task(const WeightMatrix& w, size_t tokens) {
  const bool is_small = size_t{w.rows} * w.cols * tokens <= kSmallProduct;
  return is_small ? std::max<size_t>(1, w.rows) : kRowsPerTask;
}

void matmul(ThreadPool& pool, const WeightMatrix& w, const float* x, size_t tokens, float* y) {
  pool.parallel_for(w.rows, rows_per_task(w, tokens), [&](size_t begin, size_t end) {
    matmul_rows(w, begin, end, x, w.cols, tokens, y, w.rows);
  });
}

}  // namespace sluice
#endif  // HWY_ONCE
