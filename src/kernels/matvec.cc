#include "kernels/matvec.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matvec.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// Tokens at once: sums of more do not fit into registers.
constexpr size_t kTokensAtOnce = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 4 : 2;
// Beyond, keeping rows decoded in memory is cheaper than decoding them again from a cache.
constexpr size_t kMostTokens = kTokensAtOnce == 4 ? 8 : 2;
// Rows at once: so many chains of additions, and so much use of each value of x that was loaded. Sums, inputs
// and a decoded weight stay in registers.
constexpr size_t rows_at_once(size_t tokens) {
  return HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 4 : std::max<size_t>(1, 4 / tokens);
}
// How far ahead rows are fetched, at least: the machine's own prefetchers stop at every page.
constexpr size_t kPrefetchBytes = 8192;

// So many whole groups of rows, each of `group_bytes`.
size_t bytes_ahead(size_t group_bytes) {
  return group_bytes * std::max<size_t>(1, kPrefetchBytes / std::max<size_t>(1, group_bytes));
}

// y[t * y_stride + r] of kRows rows from `row` on and kTokens tokens.
template <class Row, size_t kRows, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, const float* HWY_RESTRICT x,
                                 size_t x_stride, size_t ahead_bytes, float* y, size_t y_stride) {
  Floats sums[kRows][kTokens][kParts];
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<Row, kRows>{Row(w, row + r)...};
  }
  (std::make_index_sequence<kRows>());
  for (auto& tokens : sums) {
    for (auto& parts : tokens) {
      for (auto& sum : parts) sum = hn::Zero(FloatTag());
    }
  }
  const size_t blocks = w.cols / kBlockCols;
  for (size_t b = 0; b < blocks; ++b) {
    Pair inputs[kTokens][kParts];
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t h = 0; h < kParts; ++h)
        inputs[t][h] = load_pair(x + t * x_stride + kBlockCols * b + 2 * kPartLanes * h);
    }
    for (size_t r = 0; r < kRows; ++r) {
      const uint8_t* codes = rows[r].codes(b);
      hwy::Prefetch(codes + ahead_bytes);
      const auto block = rows[r].block_at(codes, b);
      for (size_t h = 0; h < kParts; ++h) {
        const Pair weights = block.part(h);
        for (size_t t = 0; t < kTokens; ++t) {
          sums[r][t][h] = hn::MulAdd(weights.even, inputs[t][h].even, sums[r][t][h]);
          sums[r][t][h] = hn::MulAdd(weights.odd, inputs[t][h].odd, sums[r][t][h]);
        }
      }
    }
  }
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t r = 0; r < kRows; ++r) y[t * y_stride + r] = sum_of_lanes(sums[r][t]);
  }
}

template <size_t kTokens>
void products_of_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                        size_t x_stride, float* y, size_t y_stride) {
  constexpr size_t kRows = rows_at_once(kTokens);
  with_row_type(w.format, [&]<class Row> {
    const size_t ahead_bytes = bytes_ahead(kRows * (w.cols / kBlockCols) * Row::kBlockBytes);
    size_t row = row_begin;
    for (; row + kRows <= row_end; row += kRows)
      products_of_rows<Row, kRows, kTokens>(w, row, x, x_stride, ahead_bytes, y + row, y_stride);
    for (; row < row_end; ++row)
      products_of_rows<Row, 1, kTokens>(w, row, x, x_stride, ahead_bytes, y + row, y_stride);
  });
}

using Products = void (*)(const WeightMatrix&, size_t, size_t, const float*, size_t, float*, size_t);

template <size_t... kCounts>
Products products_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr Products kProducts[] = {products_of_tokens<kCounts + 1>...};
  return kProducts[tokens - 1];
}

void products_of_few_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                            size_t x_stride, size_t tokens, float* y, size_t y_stride) {
  size_t pieces = (tokens + kTokensAtOnce - 1) / kTokensAtOnce;  // of about the same size
  for (size_t t = 0; t < tokens; --pieces) {
    const size_t count = (tokens - t + pieces - 1) / pieces;
    const Products products = products_of(count, std::make_index_sequence<kTokensAtOnce>());
    products(w, row_begin, row_end, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
    t += count;
  }
}

size_t most_tokens() {
  return kMostTokens;
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(products_of_few_tokens);
HWY_EXPORT(most_tokens);

size_t most_matvec_tokens() {
  return HWY_DYNAMIC_DISPATCH(most_tokens)();
}

void matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, size_t x_stride,
                 size_t tokens, float* y, size_t y_stride) {
  HWY_DYNAMIC_DISPATCH(products_of_few_tokens)(w, row_begin, row_end, x, x_stride, tokens, y, y_stride);
}

}  // namespace sluice
#endif  // HWY_ONCE
