#include "kernels/activations.h"

#include <algorithm>
#include <vector>

#include "kernels/amx_pairs.h"
#include "kernels/avx512_pairs.h"
#include "kernels/byte_pairs.h"
#include "kernels/fixed_point.h"
#include "kernels/groups.h"
#include "kernels/matmul.h"
#include "kernels/matvec.h"
#include "kernels/packed_tokens.h"
#include "kernels/simd_target.h"
#include "kernels/vnni_fixed_point.h"

namespace sluice {
namespace {

constexpr size_t kTokensPerTask = 8;
constexpr size_t kLinesPerTask = 16;  // of a tile of tokens

enum class Form : uint8_t { kAsTheyAre, kFixedPoint, kPairs, kBytes };

Form form_of(Numerics numerics, WeightFormat format, size_t tokens, size_t cols) {
  if (numerics == Numerics::kExact) return Form::kAsTheyAre;
  const bool is_mxfp4 = format == WeightFormat::kMXFP4;
  if (uses_amx()) {
    // One token's products with bf16 weights would take twice as long as exact ones.
    if (!has_pairs(format) || cols % kPairBlockCols != 0) return Form::kAsTheyAre;
    return is_mxfp4 && tokens == 1 && has_byte_pairs() ? Form::kBytes : Form::kPairs;
  }
  return is_mxfp4 ? Form::kFixedPoint : Form::kAsTheyAre;
}

void fill_pairs(ThreadPool& pool, const float* x, size_t cols, const PairedTokens& pairs) {
  const size_t pieces = (pairs.lines() + kLinesPerTask - 1) / kLinesPerTask;
  const size_t grain = pairs.tokens() == 1 ? pieces : 1;  // one token is soon done
  pool.parallel_for(pairs.tiles() * pieces, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t first = i % pieces * kLinesPerTask;
      avx512_pair_tokens(x, cols, pairs, i / pieces, first, std::min(first + kLinesPerTask, pairs.lines()));
    }
  });
}

}  // namespace

size_t Activations::scratch_floats(Numerics numerics, WeightFormat format, size_t tokens, size_t cols) {
  constexpr size_t kChunkFloats = sizeof(ByteChunk) / sizeof(float);
  switch (form_of(numerics, format, tokens, cols)) {
    case Form::kAsTheyAre:
      return packed_floats(std::min(tokens, most_matvec_tokens()), cols);
    case Form::kFixedPoint:
      return tokens * groups_of(cols) * sizeof(FixedGroup) / sizeof(float);
    case Form::kPairs:
      return std::max(PairedTokens::values_of(tokens, cols, format) * sizeof(uint16_t) / sizeof(float),
                      byte_chunks_of(cols) * kChunkFloats);
    case Form::kBytes:
      return byte_chunks_of(cols) * kChunkFloats;
  }
  return 0;
}

size_t Activations::thread_bytes(Numerics numerics, size_t cols) {
  const size_t exact_bytes = matmul_thread_bytes(cols);
  if (numerics == Numerics::kExact) return exact_bytes;
  return exact_bytes +
         (uses_amx() ? amx_thread_bytes() + byte_pair_thread_bytes(cols) : fixed_thread_bytes());
}

Activations::Activations(ThreadPool& pool, Numerics numerics, WeightFormat format, const float* x,
                         size_t tokens, size_t cols, float* scratch)
    : format_(format), x_(x), tokens_(tokens), cols_(cols) {
  const Form form = form_of(numerics, format, tokens, cols);
  if (form == Form::kPairs && tokens > 0) {
    pairs_.emplace(reinterpret_cast<uint16_t*>(scratch), tokens, cols, format);
    fill_pairs(pool, x, cols, *pairs_);
  } else if (form == Form::kBytes) {
    auto* const bytes = reinterpret_cast<ByteChunk*>(scratch);
    pair_bytes(x, cols, bytes);
    bytes_ = bytes;
  } else if (form == Form::kFixedPoint) {
    auto* const fixed = reinterpret_cast<FixedGroup*>(scratch);
    pool.parallel_for(tokens, kTokensPerTask, [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) round_to_fixed(x + t * cols, cols, fixed + t * groups_of(cols));
    });
    fixed_ = fixed;
  } else if (form == Form::kAsTheyAre && packs_once(tokens)) {
    pack_tokens(format, x, cols, tokens, cols, scratch);
    packed_ = scratch;
  }
}

// A row's last group may have columns that the weights have not: they must not be another product's.
bool Activations::has_whole_groups(const WeightMatrix& w, size_t first_col, size_t group_cols) const {
  return first_col % group_cols == 0 && (w.cols % group_cols == 0 || first_col + w.cols == cols_);
}

// Of MXFP4 whole rows alone, as bytes are: the bits must not depend on how many tokens there are.
bool Activations::takes_pairs(const WeightMatrix& w, size_t first_col) const {
  if (!pairs_ || w.format != format_) return false;
  if (format_ == WeightFormat::kMXFP4) return w.cols == cols_;
  return has_whole_groups(w, first_col, pairs_->columns().count());
}

bool Activations::takes_packed(const WeightMatrix& w, size_t first_col) const {
  return packed_ != nullptr && w.format == format_ && has_whole_groups(w, first_col, kGroupCols);
}

void Activations::multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, float* y,
                                size_t y_stride, size_t first_col) const {
  if (takes_pairs(w, first_col)) {
    const size_t first_line = first_col / pairs_->columns().count();
    amx_pair_matmul_rows(w, row_begin, row_end, *pairs_, first_line, y, y_stride);
  } else if (bytes_ != nullptr && w.format == WeightFormat::kMXFP4 && w.cols == cols_) {
    byte_pair_matvec_rows(w, row_begin, row_end, x_, bytes_, y);
  } else if (fixed_ != nullptr && w.format == WeightFormat::kMXFP4) {
    const bool is_for_vnni = uses_vnni() && tokens_ >= 1 && tokens_ <= kMostVNNITokens;
    (is_for_vnni ? vnni_fixed_matmul_rows : fixed_matmul_rows)(w, row_begin, row_end, fixed_, tokens_, y,
                                                               y_stride);
  } else if (takes_packed(w, first_col)) {
    packed_matmul_rows(w, row_begin, row_end, {packed_, tokens_, cols_, first_col}, y, y_stride);
  } else {
    matmul_rows(w, row_begin, row_end, x_ + first_col, cols_, tokens_, y, y_stride);
  }
}

size_t Activations::rows_per_task(const WeightMatrix& w, size_t threads) const {
  const size_t rows = sluice::rows_per_task(w, tokens_, threads);
  if (!takes_pairs(w, 0) || rows >= w.rows) return rows;
  // Panels of tiles: of many tokens' product so many that each fetch of x from L3 serves them, else so many
  // that what a thread has to wait for at first is little beside them.
  constexpr size_t kPanelRows = 64;
  constexpr size_t kRowsOfManyTokens = 1024;
  constexpr size_t kBytesOfFewTokens = 256 << 10;
  const auto whole_panels = [](size_t count) { return (count + kPanelRows - 1) / kPanelRows * kPanelRows; };
  const size_t most = tokens_ <= kTileTokens
                          ? whole_panels(kBytesOfFewTokens / weight_values_bytes(w.format, 1, w.cols))
                          : kRowsOfManyTokens;
  return std::min(whole_panels((w.rows + threads - 1) / threads), most);
}

RowShare Activations::share_of(const WeightMatrix& w, size_t rows, size_t threads) const {
  return {rows, rows_per_task(w, threads), uint64_t{rows} * w.cols * tokens_};
}

void multiply(ThreadPool& pool, const Activations& x, const WeightMatrix& w, float* y) {
  pool.parallel_for(w.rows, x.rows_per_task(w, pool.threads()),
                    [&](size_t begin, size_t end) { x.multiply_rows(w, begin, end, y, w.rows); });
}

void multiply_together(ThreadPool& pool, std::span<const ActivationsProduct> products) {
  std::vector<RowShare> shares;
  for (const ActivationsProduct& product : products)
    shares.push_back(product.x.share_of(product.w, product.row_end - product.row_begin, pool.threads()));
  share_rows(pool, shares, [&](size_t i, size_t begin, size_t end) {
    const ActivationsProduct& product = products[i];
    product.x.multiply_rows(product.w, product.row_begin + begin, product.row_begin + end, product.y,
                            product.y_stride, product.first_col);
  });
}

}  // namespace sluice
