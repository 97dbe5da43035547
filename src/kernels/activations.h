// Activations in the form in which products with weights of one format take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/thread_pool.h"
#include "kernels/bf16_pairs.h"
#include "kernels/share_rows.h"
#include "numerics/weight_matrix.h"
#include "sluice/numerics.h"

namespace sluice {

// Exact numerics take activations as they are (kernels/matmul.h). In fast numerics, where the machine has AMX
// (uses_amx()), MXFP4 and FP8 weights meet them as bf16 pairs (kernels/bf16_pairs.h), one token's for MXFP4
// as pairs of bytes (kernels/byte_pairs.h), which is the same; elsewhere MXFP4 weights meet them in fixed
// point (kernels/fixed_point.h), and everything else as in exact numerics. Rounded once, for all products.
// What an output's bits depend on is its row, its token and which of these it is. May be used from many
// threads at once.
class Activations {
 public:
  // What the constructor needs of scratch memory, aligned to 64 bytes; no less for more tokens.
  static size_t scratch_floats(Numerics numerics, WeightFormat format, size_t tokens, size_t cols);

  // What every thread that multiplies keeps besides, until it ends: for many tokens of up to `cols` columns.
  static size_t thread_bytes(Numerics numerics, size_t cols);

  // x [tokens, cols] and `scratch` must outlive this. Rounding is shared out over the pool.
  Activations(ThreadPool& pool, Numerics numerics, WeightFormat format, const float* x, size_t tokens,
              size_t cols, float* scratch);

  size_t tokens() const { return tokens_; }

  // y[t * y_stride + r] = sum over c of w[r, c] * x[t, first_col + c] for rows [row_begin, row_end) of w;
  // should w have another format, or columns that make no whole blocks, as in exact numerics. For MXFP4 in
  // fast numerics w has all columns. Runs on the calling thread; calls on disjoint rows may run at once.
  void multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, float* y, size_t y_stride,
                     size_t first_col = 0) const;

  // How many rows of w each of `threads` should take at once.
  size_t rows_per_task(const WeightMatrix& w, size_t threads) const;

  // Products with `rows` of w, as share_rows takes them.
  RowShare share_of(const WeightMatrix& w, size_t rows, size_t threads) const;

 private:
  bool has_whole_groups(const WeightMatrix& w, size_t first_col, size_t group_cols) const;
  bool takes_pairs(const WeightMatrix& w, size_t first_col) const;
  bool takes_packed(const WeightMatrix& w, size_t first_col) const;

  WeightFormat format_;
  const float* x_;
  size_t tokens_;
  size_t cols_;
  const struct FixedGroup* fixed_ = nullptr;  // [tokens, groups], or null
  const float* packed_ = nullptr;             // kernels/packed_tokens.h, or null: as they are
  const struct ByteChunk* bytes_ = nullptr;   // of one token, or null
  std::optional<PairedTokens> pairs_;
};

// All rows over the pool: y [tokens, w.rows].
void multiply(ThreadPool& pool, const Activations& x, const WeightMatrix& w, float* y);

// As Activations::multiply_rows has them.
struct ActivationsProduct {
  const Activations& x;
  const WeightMatrix& w;
  size_t row_begin;
  size_t row_end;
  float* y;
  size_t y_stride;
  size_t first_col = 0;
};

// Products that need nothing of each other, over the pool in one region.
void multiply_together(ThreadPool& pool, std::span<const ActivationsProduct> products);

}  // namespace sluice
