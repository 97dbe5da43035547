// Activations in the form in which products with weights of one format take them.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"
#include "numerics/weight_matrix.h"
#include "sluice/numerics.h"

namespace sluice {

// In fast numerics MXFP4 weights meet activations in fixed point (kernels/fixed_point.h), rounded here once
// for all products; everything else meets them as they are (kernels/matmul.h). May be used from many threads
// at once.
class Activations {
 public:
  // What the constructor needs of scratch memory, aligned to 64 bytes.
  static size_t scratch_floats(Numerics numerics, WeightFormat format, size_t tokens, size_t cols);

  // x [tokens, cols] and `scratch` must outlive this. Rounding is shared out over the pool.
  Activations(ThreadPool& pool, Numerics numerics, WeightFormat format, const float* x, size_t tokens,
              size_t cols, float* scratch);

  // y[t * y_stride + r] = sum over c of w[r, c] * x[t, c] for rows [row_begin, row_end) of w, which has as
  // many columns; should it have another format, as in exact numerics. Runs on the calling thread; calls on
  // disjoint rows may run at once.
  void multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, float* y,
                     size_t y_stride) const;

 private:
  const float* x_;
  size_t tokens_;
  size_t cols_;
  const struct FixedGroup* fixed_ = nullptr;  // [tokens, groups], or null
  const float* packed_ = nullptr;             // for weights of packed_format_, or null: as they are
  WeightFormat packed_format_ = WeightFormat::kF32;
};

}  // namespace sluice
