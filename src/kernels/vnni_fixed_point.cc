#include "kernels/vnni_fixed_point.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/fetch_ahead.h"
#include "numerics/codec.h"

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")
namespace sluice {
namespace {

constexpr size_t kGroupBytes = kGroupCols / 2;
constexpr size_t kGroupBlocks = kGroupCols / kMXFP4BlockSize;
// Groups that are gone through together: a vector has the scales of their blocks.
constexpr size_t kTogether = 4;

// How far ahead scales are fetched, of which a line of the cache serves sixteen groups.
constexpr size_t kScalesAheadBytes = 512;

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

alignas(64) constexpr auto kAscending = [] {
  std::array<uint8_t, 64> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  return bytes;
}();

const uint8_t* codes_of(const WeightMatrix& w, size_t row) {
  return reinterpret_cast<const uint8_t*>(w.values) + row * (w.cols / 2);
}

const uint8_t* scales_of(const WeightMatrix& w, size_t row) {
  return reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kMXFP4BlockSize);
}

// The codes of rows one after the other, group by group. In a slot they lie as they did in their file, at any
// address, and a load from two lines of the cache asks for both, which takes up to a third of the speed. So
// each line is loaded once, a group ahead of its use, and two neighbours make a group.
class Codes {
 public:
  // From `begin` to `end`, which is behind it.
  HWY_INLINE Codes(const uint8_t* begin, const uint8_t* end)
      : line_(begin - offset_of(begin)), last_line_(end - 1 - offset_of(end - 1)), loaded_(load(line_)) {
    // Bytes 0 ... 63 are the line's, the others those of the next one.
    const __m512i offset = _mm512_set1_epi8(static_cast<char>(offset_of(begin)));
    bytes_ = _mm512_add_epi8(_mm512_load_si512(kAscending.data()), offset);
  }

  HWY_INLINE __m512i next_group() {
    fetch_ahead(line_, kCacheLineBytes);
    line_ = std::min(line_ + kCacheLineBytes, last_line_);
    return group_before(load(line_));
  }

  template <size_t kGroups>
  HWY_INLINE void next_groups(__m512i (&groups)[kGroups]) {
    const uint8_t* const line = line_;
    fetch_ahead(line, kGroups * kCacheLineBytes);
    line_ = std::min(line + kGroups * kCacheLineBytes, last_line_);
    for (size_t i = 0; i < kGroups; ++i)
      groups[i] = group_before(load(i + 1 < kGroups ? line + (i + 1) * kCacheLineBytes : line_));
  }

 private:
  static size_t offset_of(const uint8_t* codes) {
    return reinterpret_cast<uintptr_t>(codes) % kCacheLineBytes;
  }

  // A line that has some of the codes, whatever else is in it, since no memory begins or ends within one. By
  // assembly, since AddressSanitizer knows of smaller pieces.
  static HWY_INLINE __m512i load(const uint8_t* line) {
    __m512i loaded;
    asm("vmovdqa64 %1, %0" : "=v"(loaded) : "m"(*reinterpret_cast<const __m512i*>(line)));
    return loaded;
  }

  // That begins in the line at hand and ends in `next`.
  HWY_INLINE __m512i group_before(__m512i next) {
    const __m512i group = _mm512_permutex2var_epi8(loaded_, bytes_, next);
    loaded_ = next;
    return group;
  }

  const uint8_t* line_;
  const uint8_t* last_line_;
  __m512i loaded_;  // from line_
  __m512i bytes_;
};

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

// The first `count` of sixteen scales; behind them 2^-127, which meets activations that are zeros.
HWY_INLINE __m512i load_scales(const uint8_t* scales, size_t count) {
  const auto mask = static_cast<__mmask16>((uint32_t{1} << count) - 1);
  const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, scales));
  return _mm512_max_epu32(_mm512_slli_epi32(codes, 23), _mm512_set1_epi32(0x00400000));
}

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
  HWY_INLINE Rows(const WeightMatrix& w, size_t begin, size_t end)
      : row_bytes_(w.cols / 2),
        row_(codes_of(w, begin)),
        end_(codes_of(w, end)),
        codes_(row_, end_),
        scales_(scales_of(w, begin)) {}

  HWY_INLINE void begin_row() {
    announce_row(row_, row_bytes_);
    for (__m512& sum : sums_) sum = _mm512_setzero_ps();
  }

  // The row's next kTogether groups; x [kTokens] tokens' groups, x_stride apart.
  HWY_INLINE void add_groups(const FixedGroup* x, size_t x_stride) {
    _mm_prefetch(reinterpret_cast<const char*>(scales_ + kScalesAheadBytes), _MM_HINT_T0);
    const __m512i scales = load_scales(scales_, kTogether * kGroupBlocks);
    __m512i groups[kTogether];
    codes_.next_groups(groups);
    for (size_t i = 0; i < kTogether; ++i) add(groups[i], scales, i, x + i, x_stride);
    scales_ += kTogether * kGroupBlocks;
  }

  // The row's last `blocks` < kTogether * kGroupBlocks.
  void add_rest(size_t blocks, const FixedGroup* x, size_t x_stride) {
    const __m512i scales = load_scales(scales_, blocks);
    scales_ += blocks;
    const size_t whole = blocks / kGroupBlocks;
    for (size_t i = 0; i < whole; ++i) add(codes_.next_group(), scales, i, x + i, x_stride);
    const size_t rest_bytes = blocks % kGroupBlocks * (kMXFP4BlockSize / 2);
    if (rest_bytes == 0) return;
    const uint8_t* const next_row = row_ + row_bytes_;
    const __m512i rest = _mm512_maskz_loadu_epi8((__mmask64{1} << rest_bytes) - 1, next_row - rest_bytes);
    add(rest, scales, whole, x + whole, x_stride);
    if (next_row < end_) codes_ = Codes(next_row, end_);
  }

  // y[t * y_stride]; goes on to the next row.
  HWY_INLINE void end_row(float* y, size_t y_stride) {
    for (size_t t = 0; t < kTokens; ++t) y[t * y_stride] = sum_of_lanes(sums_[t]);
    row_ += row_bytes_;
  }

 private:
  // A group, the i-th of those whose scales are in `scales`.
  HWY_INLINE void add(__m512i codes, __m512i scales, size_t i, const FixedGroup* x, size_t x_stride) {
    const Integers weights(codes);
    const __m512i block_of_lane = _mm512_load_si512(kBlockOfLane[i].data());
    const __m512 lane_scales = _mm512_castsi512_ps(_mm512_permutexvar_epi32(block_of_lane, scales));
    for (size_t t = 0; t < kTokens; ++t) {
      const FixedGroup& inputs = x[t * x_stride];
      const __m512 scale = _mm512_mul_ps(lane_scales, _mm512_load_ps(inputs.scales));
      sums_[t] = _mm512_fmadd_ps(weights.dot(inputs), scale, sums_[t]);
    }
  }

  size_t row_bytes_;
  const uint8_t* row_;
  const uint8_t* end_;
  Codes codes_;
  const uint8_t* scales_;
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
  const size_t whole = blocks / (kTogether * kGroupBlocks) * kTogether;
  const size_t rest = blocks - whole * kGroupBlocks;
  for (size_t i = 0; i < step; ++i) {
    for (auto& rows : pieces) rows.begin_row();
    for (size_t g = 0; g < whole; g += kTogether) {
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
