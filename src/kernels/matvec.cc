#include "kernels/matvec.h"

#include <array>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matvec.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/packed_tokens-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// Beyond, keeping rows decoded in memory is cheaper than decoding them again from a cache.
constexpr size_t kMostTokens = kTileTokens == 6 ? 8 : 3;

// Rows at once. One token's go one by one, the way memory has them, so that the machine's own prefetchers see
// one long stream. With more, each value of x that was loaded is to serve several.
constexpr size_t rows_at_once(size_t tokens) {
  return tokens == 1 ? 1 : 4;
}

// How far ahead weights are fetched. Into the first cache alone, since nothing asks for them again: on the
// way through the others they would take the place of what is, and arrive later.
constexpr size_t kPrefetchBytes = 4096;
constexpr size_t kCacheLineBytes = 64;

template <class Row>
HWY_INLINE void fetch_ahead(const uint8_t* codes) {
  for (size_t at = 0; at < Row::kGroupBytes; at += kCacheLineBytes)
    __builtin_prefetch(codes + kPrefetchBytes + at, 0, 0);
}

// sums [kTokens] gain a group's products; x [slice][kTokens][lane].
template <size_t kTokens, class Group>
HWY_INLINE void add_products(const Group& group, const float* HWY_RESTRICT x,
                             Floats (&sums)[kTokens][kParts]) {
  const FloatTag floats;
  for (size_t h = 0; h < kParts; ++h) {
    Floats weights[kSlices];
    group.part(h, weights);
    for (size_t t = 0; t < kTokens; ++t) {
      const float* inputs = x + t * kDotLanes + kPartLanes * h;
      auto products = hn::Mul(weights[0], hn::Load(floats, inputs));
      for (size_t s = 1; s < kSlices; ++s)
        products = hn::MulAdd(weights[s], hn::Load(floats, inputs + s * kTokens * kDotLanes), products);
      sums[t][h] = add_group(group, h, products, sums[t][h]);
    }
  }
}

// y[t * y_stride + r] of kRows rows from `row` on and a tile of tokens.
template <class Row, size_t kRows, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, const float* x, float* y,
                                 size_t y_stride) {
  constexpr size_t kStep = kGroupCols * kTokens;
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<Row, kRows>{Row(w, row + r)...};
  }
  (std::make_index_sequence<kRows>());
  Floats sums[kRows][kTokens][kParts];
  for (auto& tokens : sums) {
    for (auto& parts : tokens) {
      for (auto& sum : parts) sum = hn::Zero(FloatTag());
    }
  }
  const size_t whole_groups = w.cols / kGroupCols;
  for (size_t g = 0; g < whole_groups; ++g) {
    for (size_t r = 0; r < kRows; ++r) {
      const auto group = rows[r].group(g);
      fetch_ahead<Row>(group.codes());
      add_products<kTokens>(group, x + g * kStep, sums[r]);
    }
  }
  if (const size_t rest_cols = w.cols % kGroupCols; rest_cols > 0) {
    for (size_t r = 0; r < kRows; ++r) {
      alignas(64) uint8_t copy[Row::kGroupBytes];
      add_products<kTokens>(rows[r].rest(whole_groups, rest_cols, copy), x + whole_groups * kStep, sums[r]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTokens; ++t) y[t * y_stride + r] = sum_of_lanes(sums[r][t]);
  }
}

template <class Row, size_t kTokens>
void products_of_tile(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y,
                      size_t y_stride) {
  constexpr size_t kRows = rows_at_once(kTokens);
  size_t row = row_begin;
  for (; row + kRows <= row_end; row += kRows)
    products_of_rows<Row, kRows, kTokens>(w, row, x, y + row, y_stride);
  for (; row < row_end; ++row) products_of_rows<Row, 1, kTokens>(w, row, x, y + row, y_stride);
}

using Products = void (*)(const WeightMatrix&, size_t, size_t, const float*, float*, size_t);

template <class Row, size_t... kCounts>
Products products_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr Products kProducts[] = {products_of_tile<Row, kCounts + 1>...};
  return kProducts[tokens - 1];
}

void products_of_few_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x,
                            float* y, size_t y_stride) {
  with_row_type(w.format, [&]<class Row> {
    for (size_t tile = 0; tile < tiles_of(x.tokens); ++tile) {
      const Products products =
          products_of<Row>(tokens_of_tile(x.tokens, tile), std::make_index_sequence<kTileTokens>());
      products(w, row_begin, row_end, packed_tile(x, tile), y + tile * kTileTokens * y_stride, y_stride);
    }
  });
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

void matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x, float* y,
                 size_t y_stride) {
  HWY_DYNAMIC_DISPATCH(products_of_few_tokens)(w, row_begin, row_end, x, y, y_stride);
}

}  // namespace sluice
#endif  // HWY_ONCE
