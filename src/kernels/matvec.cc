// Also for processors that look bytes up among 128 (lanes-inl.h, mxfp4_rows.h).
#define HWY_WANT_AVX3_DL

#include "kernels/matvec.h"

#include <array>
#include <type_traits>
#include <utility>

#include "kernels/fetch_ahead.h"
#include "kernels/mxfp4_rows.h"

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

// Rows at once. One token's are far from each other, each the next one of a stream that memory's own
// prefetchers can follow for long: two streams are read faster than one. MXFP4's go in one, beside which
// there are the scales. With more tokens rows are neighbours, so many that each value of x that comes from a
// cache serves several.
template <class Row>
constexpr size_t rows_at_once(size_t tokens) {
  if (tokens > 1) return 4;
  return std::is_same_v<Row, MXFP4Row> ? 1 : 2;
}

// Of these so many are decoded together, and share what is loaded of x: those that 32 registers have room
// for.
constexpr size_t rows_together(size_t rows, size_t tokens) {
  return tokens == 1 && kTileTokens == 6 ? rows : 1;
}

// MXFP4's scales, of which a line serves sixteen groups, come the usual way.
constexpr size_t kPrefetchScaleBytes = 512;

template <class Row>
HWY_INLINE void fetch_row_ahead(const Row& row, size_t g) {
  fetch_ahead(row.group(g).codes(), Row::kGroupBytes, kFetchAheadBytes / rows_at_once<Row>(1));
  if constexpr (requires { row.scale_codes(g); })
    __builtin_prefetch(row.scale_codes(g) + kPrefetchScaleBytes, 0, 3);
}

// sums [kRows][kTokens] gain the products of a group of each row; x [slice][kTokens][lane].
template <size_t kRows, size_t kTokens, class Group>
HWY_INLINE void add_products(const std::array<Group, kRows>& groups, const float* HWY_RESTRICT x,
                             Floats (*sums)[kTokens][kParts]) {
  const FloatTag floats;
  for (size_t h = 0; h < kParts; ++h) {
    Floats weights[kRows][kSlices];
    for (size_t r = 0; r < kRows; ++r) groups[r].part(h, weights[r]);
    for (size_t t = 0; t < kTokens; ++t) {
      const float* inputs = x + t * kDotLanes + kPartLanes * h;
      Floats products[kRows];
      for (size_t s = 0; s < kSlices; ++s) {
        const auto input = hn::Load(floats, inputs + s * kTokens * kDotLanes);
        for (size_t r = 0; r < kRows; ++r)
          products[r] =
              s == 0 ? hn::Mul(weights[r][0], input) : hn::MulAdd(weights[r][s], input, products[r]);
      }
      for (size_t r = 0; r < kRows; ++r) sums[r][t][h] = add_group(groups[r], h, products[r], sums[r][t][h]);
    }
  }
}

// y[t * y_stride + r * row_step] of kRows rows, `row_step` apart, from `row` on and a tile of tokens.
template <class Row, size_t kRows, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, size_t row_step, const float* x, float* y,
                                 size_t y_stride) {
  constexpr size_t kStep = kGroupCols * kTokens;
  constexpr size_t kTogether = rows_together(kRows, kTokens);
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<Row, kRows>{Row(w, row + r * row_step)...};
  }
  (std::make_index_sequence<kRows>());
  Floats sums[kRows][kTokens][kParts];
  for (auto& tokens : sums) {
    for (auto& parts : tokens) {
      for (auto& sum : parts) sum = hn::Zero(FloatTag());
    }
  }
  const size_t whole_groups = w.cols / kGroupCols;
  if (whole_groups > 0) {  // otherwise there is no whole group to ask for its codes
    for (const Row& r : rows) announce_row(r.group(0).codes(), whole_groups * Row::kGroupBytes);
  }
  for (size_t g = 0; g < whole_groups; ++g) {
    for (size_t r = 0; r < kRows; r += kTogether) {
      const auto groups = [&]<size_t... i>(std::index_sequence<i...>) {
        return std::array{rows[r + i].group(g)...};
      }
      (std::make_index_sequence<kTogether>());
      for (size_t i = 0; i < kTogether; ++i) fetch_row_ahead(rows[r + i], g);
      add_products<kTogether, kTokens>(groups, x + g * kStep, sums + r);
    }
  }
  if (const size_t rest_cols = w.cols % kGroupCols; rest_cols > 0) {
    for (size_t r = 0; r < kRows; ++r) {
      alignas(64) uint8_t copy[Row::kGroupBytes];
      add_products<1, kTokens>(std::array{rows[r].rest(whole_groups, rest_cols, copy)},
                               x + whole_groups * kStep, sums + r);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTokens; ++t) y[t * y_stride + r * row_step] = sum_of_lanes(sums[r][t]);
  }
}

template <class Row, size_t kTokens>
void products_of_tile(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y,
                      size_t y_stride) {
  constexpr size_t kRows = rows_at_once<Row>(kTokens);
  const size_t steps = (row_end - row_begin) / kRows;
  const size_t row_step = kTokens == 1 ? steps : 1;
  for (size_t i = 0; i < steps; ++i) {
    const size_t row = row_begin + (kTokens == 1 ? i : i * kRows);
    products_of_rows<Row, kRows, kTokens>(w, row, row_step, x, y + row, y_stride);
  }
  for (size_t row = row_begin + kRows * steps; row < row_end; ++row)
    products_of_rows<Row, 1, kTokens>(w, row, 1, x, y + row, y_stride);
}

#if HWY_TARGET <= HWY_AVX3_DL

// A group of MXFP4 whose codes are at hand.
class LoadedGroup {
 public:
  HWY_INLINE LoadedGroup(__m512i codes, __m512 scales) : codes_{codes}, scales_{scales} {}
  HWY_INLINE void part(size_t, Floats (&slices)[kSlices]) const { MXFP4Row::Group::decode(codes_, slices); }
  HWY_INLINE Floats scale(size_t) const { return scales_; }

 private:
  Words codes_;
  Floats scales_;
};

// `sum` gains one token's products of `count` groups.
HWY_INLINE void add_groups(const MXFP4Groups& groups, size_t count, const float* x,
                           Floats (&sum)[1][kParts]) {
  const auto add = [&]<size_t... i>(std::index_sequence<i...>) {
    ((i < count ? add_products<1, 1>(std::array{LoadedGroup(groups.codes[i], groups.lane_scales<i>())},
                                     x + i * kGroupCols, &sum)
                : void()),
     ...);
  };
  add(std::make_index_sequence<MXFP4Groups::kMost>());
}

// Rows one after the other. A row's lanes are added up behind the next row's products: a machine does not
// look far enough ahead to begin those meanwhile.
template <>
void products_of_tile<MXFP4Row, 1>(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                                   float* y, size_t) {
  if (row_begin == row_end) return;
  const size_t blocks = w.cols / kMXFP4BlockSize;
  const size_t whole_groups = blocks / MXFP4Groups::kMostBlocks * MXFP4Groups::kMost;
  const size_t rest_blocks = blocks % MXFP4Groups::kMostBlocks;
  MXFP4Rows rows(w, row_begin, row_end);
  Floats last_sum[kParts];
  for (size_t row = row_begin; row < row_end; ++row) {
    rows.begin_row();
    Floats sum[1][kParts] = {{hn::Zero(FloatTag())}};
    for (size_t g = 0; g < whole_groups; g += MXFP4Groups::kMost)
      add_groups(rows.next_groups(), MXFP4Groups::kMost, x + g * kGroupCols, sum);
    if (rest_blocks > 0) {
      add_groups(rows.rest_of_row(rest_blocks), MXFP4Groups::count_of(rest_blocks),
                 x + whole_groups * kGroupCols, sum);
    }
    if (row > row_begin) y[row - 1] = sum_of_lanes(last_sum);
    last_sum[0] = sum[0][0];
  }
  y[row_end - 1] = sum_of_lanes(last_sum);
}

#endif

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
