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

constexpr size_t kRows = 4;  // at once: as many chains of additions, and each value of x loaded once for all
// How far ahead rows are fetched, at least: the machine's own prefetchers stop at every page.
constexpr size_t kPrefetchBytes = 8192;

// y[r] of kCount rows from `row` on.
template <class Row, size_t kCount>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, const float* HWY_RESTRICT x, float* y) {
  Floats sums[kCount][kParts];
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<Row, kCount>{Row(w, row + r)...};
  }
  (std::make_index_sequence<kCount>());
  for (auto& parts : sums) {
    for (auto& sum : parts) sum = hn::Zero(FloatTag());
  }
  const size_t blocks = w.cols / kBlockCols;
  const size_t group_bytes = kCount * blocks * Row::kBlockBytes;
  const size_t ahead_bytes =
      group_bytes * std::max<size_t>(1, kPrefetchBytes / std::max<size_t>(1, group_bytes));
  for (size_t b = 0; b < blocks; ++b) {
    Pair inputs[kParts];
    for (size_t h = 0; h < kParts; ++h) inputs[h] = load_pair(x + kBlockCols * b + 2 * kPartLanes * h);
    for (size_t r = 0; r < kCount; ++r) {
      const uint8_t* codes = rows[r].codes(b);
      hwy::Prefetch(codes + ahead_bytes);
      const auto block = rows[r].block_at(codes, b);
      for (size_t h = 0; h < kParts; ++h) {
        const Pair weights = block.part(h);
        sums[r][h] = hn::MulAdd(weights.even, inputs[h].even, sums[r][h]);
        sums[r][h] = hn::MulAdd(weights.odd, inputs[h].odd, sums[r][h]);
      }
    }
  }
  for (size_t r = 0; r < kCount; ++r) y[r] = sum_of_lanes(sums[r]);
}

void product_of_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y) {
  with_row_type(w.format, [&]<class Row> {
    size_t row = row_begin;
    for (; row + kRows <= row_end; row += kRows) products_of_rows<Row, kRows>(w, row, x, y + row);
    for (; row < row_end; ++row) products_of_rows<Row, 1>(w, row, x, y + row);
  });
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(product_of_rows);

void matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(product_of_rows)(w, row_begin, row_end, x, y);
}

}  // namespace sluice
#endif  // HWY_ONCE
