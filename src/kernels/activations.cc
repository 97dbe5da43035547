#include "kernels/activations.h"

#include "kernels/fixed_point.h"
#include "kernels/matmul.h"
#include "kernels/packed_tokens.h"

namespace sluice {
namespace {

constexpr size_t kTokensPerTask = 8;

bool in_fixed_point(Numerics numerics, WeightFormat format) {
  return numerics == Numerics::kFast && format == WeightFormat::kMXFP4;
}

}  // namespace

size_t Activations::scratch_floats(Numerics numerics, WeightFormat format, size_t tokens, size_t cols) {
  if (in_fixed_point(numerics, format)) return tokens * groups_of(cols) * sizeof(FixedGroup) / sizeof(float);
  return packs_once(tokens) ? packed_floats(tokens, cols) : 0;
}

Activations::Activations(ThreadPool& pool, Numerics numerics, WeightFormat format, const float* x,
                         size_t tokens, size_t cols, float* scratch)
    : x_(x), tokens_(tokens), cols_(cols) {
  if (!in_fixed_point(numerics, format)) {
    if (!packs_once(tokens)) return;
    pack_tokens(format, x, cols, tokens, cols, scratch);
    packed_ = scratch;
    packed_format_ = format;
    return;
  }
  auto* const fixed = reinterpret_cast<FixedGroup*>(scratch);
  pool.parallel_for(tokens, kTokensPerTask, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) round_to_fixed(x + t * cols, cols, fixed + t * groups_of(cols));
  });
  fixed_ = fixed;
}

void Activations::multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, float* y,
                                size_t y_stride) const {
  if (fixed_ != nullptr && w.format == WeightFormat::kMXFP4) {
    fixed_matmul_rows(w, row_begin, row_end, fixed_, tokens_, y, y_stride);
  } else if (packed_ != nullptr && w.format == packed_format_) {
    packed_matmul_rows(w, row_begin, row_end, packed_, tokens_, y, y_stride);
  } else {
    matmul_rows(w, row_begin, row_end, x_, cols_, tokens_, y, y_stride);
  }
}

}  // namespace sluice
