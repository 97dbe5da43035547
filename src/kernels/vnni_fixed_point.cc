#include "kernels/vnni_fixed_point.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "numerics/codec.h"

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace sluice {
namespace {

constexpr size_t kGroupBytes = kGroupCols / 2;
constexpr size_t kGroupBlocks = kGroupCols / kMXFP4BlockSize;
// Groups that are gone through together: a vector has the scales of their blocks.
constexpr size_t kTogether = 4;

// How far ahead codes are fetched, into the first cache alone (kernels/matvec.cc); and scales, of which a
// line of the cache serves sixteen groups.
constexpr size_t kPrefetchBytes = 8192;
constexpr size_t kPrefetchScaleBytes = 512;

// What the integers of weights are (fixed_point.h), by code: twice the value, in the upper byte. The code is
// in the lowest four bits of a word. Five of its bits index the table, so that all codes are there twice.
alignas(64) constexpr auto kIntegers = [] {
  std::array<int16_t, 32> integers{};
  for (size_t i = 0; i < integers.size(); ++i)
    integers[i] = static_cast<int16_t>(e2m1_to_float(static_cast<uint8_t>(i % 16)) * kMXFP4One);
  return integers;
}();

// Of the sixteen blocks of four groups, the one that is in each lane of the g-th group.
alignas(64) constexpr auto kBlockOfLane = [] {
  std::array<std::array<uint32_t, 16>, kTogether> blocks{};
  for (size_t g = 0; g < kTogether; ++g) {
    for (size_t lane = 0; lane < 16; ++lane)
      blocks[g][lane] = static_cast<uint32_t>(kGroupBlocks * g + lane / 4);
  }
  return blocks;
}();

// A row's codes and scales.
struct Row {
  const uint8_t* codes;
  const uint8_t* scales;

  Row(const WeightMatrix& w, size_t row)
      : codes(reinterpret_cast<const uint8_t*>(w.values) + row * (w.cols / 2)),
        scales(reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kMXFP4BlockSize)) {}

  HWY_INLINE void fetch_codes_ahead(size_t g) const {
    _mm_prefetch(reinterpret_cast<const char*>(codes + g * kGroupBytes + kPrefetchBytes), _MM_HINT_NTA);
  }
  HWY_INLINE void fetch_scales_ahead(size_t g) const {
    _mm_prefetch(reinterpret_cast<const char*>(scales + g * kGroupBlocks + kPrefetchScaleBytes), _MM_HINT_T0);
  }
};

// The integers of a group's weights: vector k has columns 4 m + k, as FixedGroup has them.
struct Integers {
  __m512i values[4];

  // The asm keeps the compiler from loading codes again for each use, which is far slower (lanes-inl.h).
  HWY_INLINE explicit Integers(__m512i codes) {
    asm("" : "+v"(codes));
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

// The first `count` of sixteen scales; behind them 2^-127, which meets activations that are zeros.
HWY_INLINE __m512i load_scales(const uint8_t* scales, size_t count) {
  const auto mask = static_cast<__mmask16>((uint32_t{1} << count) - 1);
  const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, scales));
  return _mm512_max_epu32(_mm512_slli_epi32(codes, 23), _mm512_set1_epi32(0x00400000));
}

// The first `blocks` > 0 blocks of a group's codes; behind them zeros.
HWY_INLINE __m512i load_codes(const uint8_t* codes, size_t blocks) {
  return _mm512_maskz_loadu_epi8(~__mmask64{0} >> 16 * (kGroupBlocks - blocks), codes);
}

// sums [kRows][kTokens] gain the products of kTogether groups from `g` on, or of those that `blocks` blocks
// make; x [kTokens] tokens' groups, `groups` each.
template <size_t kRows, size_t kTokens>
HWY_INLINE void add_groups(const std::array<Row, kRows>& rows, size_t g, size_t blocks, const FixedGroup* x,
                           size_t groups, __m512 (&sums)[kRows][kTokens]) {
  __m512i scales[kRows];
  for (size_t r = 0; r < kRows; ++r) {
    scales[r] = load_scales(rows[r].scales + g * kGroupBlocks, blocks);
    rows[r].fetch_scales_ahead(g);
  }
  for (size_t i = 0; i < kTogether && i * kGroupBlocks < blocks; ++i) {
    const size_t group_blocks = std::min(blocks - i * kGroupBlocks, kGroupBlocks);
    const __m512i block_of_lane = _mm512_load_si512(kBlockOfLane[i].data());
    for (size_t r = 0; r < kRows; ++r) {
      rows[r].fetch_codes_ahead(g + i);
      const Integers weights(load_codes(rows[r].codes + (g + i) * kGroupBytes, group_blocks));
      const __m512 lane_scales = _mm512_castsi512_ps(_mm512_permutexvar_epi32(block_of_lane, scales[r]));
      for (size_t t = 0; t < kTokens; ++t) {
        const FixedGroup& inputs = x[t * groups + g + i];
        const __m512 scale = _mm512_mul_ps(lane_scales, _mm512_load_ps(inputs.scales));
        sums[r][t] = _mm512_fmadd_ps(weights.dot(inputs), scale, sums[r][t]);
      }
    }
  }
}

// Lane l gains lane l + 8, then l + 4, l + 2, l + 1.
HWY_INLINE float sum_of_lanes(__m512 sums) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// y[t * y_stride + r] of kRows rows from `row` on.
template <size_t kRows, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, const FixedGroup* x, float* y,
                                 size_t y_stride) {
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<Row, kRows>{Row(w, row + r)...};
  }
  (std::make_index_sequence<kRows>());
  const size_t groups = groups_of(w.cols);
  __m512 sums[kRows][kTokens];
  for (auto& tokens : sums) {
    for (__m512& sum : tokens) sum = _mm512_setzero_ps();
  }
  size_t g = 0;
  size_t blocks = w.cols / kMXFP4BlockSize;
  for (; blocks >= kTogether * kGroupBlocks; g += kTogether, blocks -= kTogether * kGroupBlocks) {
    add_groups<kRows, kTokens>(rows, g, kTogether * kGroupBlocks, x, groups, sums);
  }
  if (blocks > 0) add_groups<kRows, kTokens>(rows, g, blocks, x, groups, sums);
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t r = 0; r < kRows; ++r) y[t * y_stride + r] = sum_of_lanes(sums[r][t]);
  }
}

template <size_t kTokens>
void products_of_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                        float* y, size_t y_stride) {
  constexpr size_t kRows = kTokens > 1 ? 2 : 1;  // one token's rows are fetched faster one after the other
  size_t row = row_begin;
  for (; row + kRows <= row_end; row += kRows) products_of_rows<kRows, kTokens>(w, row, x, y + row, y_stride);
  for (; row < row_end; ++row) products_of_rows<1, kTokens>(w, row, x, y + row, y_stride);
}

using Products = void (*)(const WeightMatrix&, size_t, size_t, const FixedGroup*, float*, size_t);

template <size_t... kCounts>
constexpr std::array<Products, sizeof...(kCounts)> products_by_tokens(std::index_sequence<kCounts...>) {
  return {products_of_tokens<kCounts + 1>...};
}

}  // namespace

void vnni_fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                            size_t tokens, float* y, size_t y_stride) {
  static constexpr auto kProducts = products_by_tokens(std::make_index_sequence<kMostVNNITokens>());
  kProducts[tokens - 1](w, row_begin, row_end, x, y, y_stride);
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {

bool has_vnni() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
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
