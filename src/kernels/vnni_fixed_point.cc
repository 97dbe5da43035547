#include "kernels/vnni_fixed_point.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <array>
#include <utility>

#include "kernels/mxfp4_rows.h"
#include "numerics/codec.h"

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")
namespace sluice {
namespace {

// What the integers of weights are (fixed_point.h), by code: twice the value, in the upper byte. The code is
// in the lowest four bits of a word. Five of its bits index the table, so that all codes are there twice.
alignas(64) constexpr auto kIntegers = [] {
  std::array<int16_t, 32> integers{};
  for (size_t i = 0; i < integers.size(); ++i)
    integers[i] = static_cast<int16_t>(e2m1_to_float(static_cast<uint8_t>(i % 16)) * kMXFP4One);
  return integers;
}();

// The integers of a group's weights: vector k has columns 4 m + k, as FixedGroup has them.
struct Integers {
  __m512i values[4];

  HWY_INLINE explicit Integers(__m512i codes) {
    const __m512i table = _mm512_load_si512(kIntegers.data());
    values[0] = _mm512_permutexvar_epi16(codes, table);
    values[1] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 4), table);
    values[2] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 8), table);
    values[3] = _mm512_permutexvar_epi16(_mm512_srli_epi16(codes, 12), table);
  }

  // The sums of lanes.
  HWY_INLINE __m512 dot(const FixedGroup& x) const {
    __m512i sums = _mm512_setzero_si512();
    for (size_t k = 0; k < 4; ++k)
      sums = _mm512_dpwssd_epi32(sums, values[k], _mm512_load_si512(x.values[k]));
    return _mm512_cvtepi32_ps(sums);
  }
};

// Lane l gains lane l + 8, then l + 4, l + 2, l + 1.
HWY_INLINE float sum_of_lanes(__m512 sums) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Rows [begin, end) of weights, one after the other, and what the products of the one at hand with kTokens
// tokens have come to.
template <size_t kTokens>
class Rows {
 public:
  HWY_INLINE Rows(const WeightMatrix& w, size_t begin, size_t end) : rows_(w, begin, end) {}

  HWY_INLINE void begin_row() {
    rows_.begin_row();
    for (__m512& sum : sums_) sum = _mm512_setzero_ps();
  }

  // The row's next MXFP4Groups::kMost groups; x [kTokens] tokens' groups, x_stride apart.
  HWY_INLINE void add_groups(const FixedGroup* x, size_t x_stride) {
    add(rows_.next_groups(), MXFP4Groups::kMost, x, x_stride);
  }

  // The row's last `blocks` < MXFP4Groups::kMostBlocks.
  HWY_INLINE void add_rest(size_t blocks, const FixedGroup* x, size_t x_stride) {
    add(rows_.rest_of_row(blocks), MXFP4Groups::count_of(blocks), x, x_stride);
  }

  // y[t * y_stride].
  HWY_INLINE void end_row(float* y, size_t y_stride) const {
    for (size_t t = 0; t < kTokens; ++t) y[t * y_stride] = sum_of_lanes(sums_[t]);
  }

 private:
  HWY_INLINE void add(const MXFP4Groups& groups, size_t count, const FixedGroup* x, size_t x_stride) {
    const auto add_some = [&]<size_t... i>(std::index_sequence<i...>) {
      ((i < count ? add(groups.codes[i], groups.lane_scales<i>(), x + i, x_stride) : void()), ...);
    };
    add_some(std::make_index_sequence<MXFP4Groups::kMost>());
  }

  HWY_INLINE void add(__m512i codes, __m512 lane_scales, const FixedGroup* x, size_t x_stride) {
    const Integers weights(codes);
    for (size_t t = 0; t < kTokens; ++t) {
      const FixedGroup& inputs = x[t * x_stride];
      const __m512 scale = _mm512_mul_ps(lane_scales, _mm512_load_ps(inputs.scales));
      sums_[t] = _mm512_fmadd_ps(weights.dot(inputs), scale, sums_[t]);
    }
  }

  MXFP4Rows rows_;
  __m512 sums_[kTokens];
};

// y[t * y_stride + i] of `count` rows from `row` on, in kPieces pieces that are gone through side by side, so
// that what is loaded of x serves all of them.
template <size_t kPieces, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, size_t count, const FixedGroup* x,
                                 float* y, size_t y_stride) {
  const size_t step = count / kPieces;
  auto pieces = [&]<size_t... p>(std::index_sequence<p...>) {
    return std::array{Rows<kTokens>(w, row + p * step, row + (p + 1) * step)...};
  }
  (std::make_index_sequence<kPieces>());
  const size_t groups = groups_of(w.cols);
  const size_t blocks = w.cols / kMXFP4BlockSize;
  const size_t whole = blocks / MXFP4Groups::kMostBlocks * MXFP4Groups::kMost;
  const size_t rest = blocks % MXFP4Groups::kMostBlocks;
  for (size_t i = 0; i < step; ++i) {
    for (auto& rows : pieces) rows.begin_row();
    for (size_t g = 0; g < whole; g += MXFP4Groups::kMost) {
      for (auto& rows : pieces) rows.add_groups(x + g, groups);
    }
    for (size_t p = 0; p < kPieces; ++p) {
      if (rest > 0) pieces[p].add_rest(rest, x + whole, groups);
      pieces[p].end_row(y + p * step + i, y_stride);
    }
  }
}

template <size_t kTokens>
void products_of_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                        float* y, size_t y_stride) {
  // One token's rows are fetched faster one after the other.
  constexpr size_t kPieces = kTokens > 1 ? 2 : 1;
  const size_t in_pieces = (row_end - row_begin) / kPieces * kPieces;
  if (in_pieces > 0) products_of_rows<kPieces, kTokens>(w, row_begin, in_pieces, x, y + row_begin, y_stride);
  for (size_t row = row_begin + in_pieces; row < row_end; ++row)
    products_of_rows<1, kTokens>(w, row, 1, x, y + row, y_stride);
}

using Products = void (*)(const WeightMatrix&, size_t, size_t, const FixedGroup*, float*, size_t);

template <size_t... kCounts>
Products products_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr Products kProducts[] = {products_of_tokens<kCounts + 1>...};
  return kProducts[tokens - 1];
}

}  // namespace

void vnni_fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                            size_t tokens, float* y, size_t y_stride) {
  products_of(tokens, std::make_index_sequence<kMostVNNITokens>())(w, row_begin, row_end, x, y, y_stride);
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {

bool has_vnni() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
         __builtin_cpu_supports("avx512vnni") != 0;
}

}  // namespace sluice

#else

namespace sluice {

bool has_vnni() {
  return false;
}

void vnni_fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                            size_t tokens, float* y, size_t y_stride) {
  fixed_matmul_rows(w, row_begin, row_end, x, tokens, y, y_stride);
}

}  // namespace sluice

#endif
