#include "kernels/avx512_pairs.h"

#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#if HWY_ARCH_X86_64
#include "kernels/pair_decoders-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET)
namespace sluice {
namespace {

// Zero instead of what is too small.
inline __m512 without_smallest(__m512 values) {
  const __mmask16 is_small = _mm512_cmp_ps_mask(_mm512_abs_ps(values), _mm512_set1_ps(0x1p-60F), _CMP_LT_OQ);
  return _mm512_maskz_mov_ps(_knot_mask16(is_small), values);
}

// What hi leaves of values; zero where hi is no number.
inline __m512 rest(__m512 value, __m512i hi) {
  constexpr int kNoNumber = 0x99;  // infinities and NaNs
  const __m512 nearest = _mm512_castsi512_ps(hi);
  return _mm512_maskz_sub_ps(_knot_mask16(_mm512_fpclass_ps_mask(nearest, kNoNumber)), value, nearest);
}

// Of pairs as float32: the first ones, and the second ones.
inline __m512i first_of(__m512i pairs) {
  return _mm512_slli_epi32(pairs, 16);
}
inline __m512i second_of(__m512i pairs) {
  return _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000U)));
}

// A block's activations in float32.
struct WidePairs {
  alignas(64) float first[2][16];  // hi, lo
  alignas(64) float second[2][16];
};

// [blocks] from `first_block` on.
hwy::AlignedFreeUniquePtr<WidePairs[]> widened(const PairedTokens& x, size_t first_block, size_t blocks) {
  auto wide = hwy::AllocateAligned<WidePairs>(blocks);
  for (size_t b = 0; b < blocks; ++b) {
    const uint16_t* at = x.block(0, first_block + b);
    for (size_t plane = 0; plane < 2; ++plane, at += kPairBlockCols) {
      const __m512i pairs = _mm512_loadu_si512(at);
      _mm512_store_si512(wide[b].first[plane], first_of(pairs));
      _mm512_store_si512(wide[b].second[plane], second_of(pairs));
    }
  }
  return wide;
}

// What sums have gained when a block is over.
struct BlockSums {
  __m512 first[2];  // with hi, with lo
  __m512 second[2];

  HWY_INLINE BlockSums() { first[0] = first[1] = second[0] = second[1] = _mm512_setzero_ps(); }

  HWY_INLINE void add(const WidePairs& x, size_t m, __m512i pair) {
    const __m512 one = _mm512_castsi512_ps(first_of(pair));
    const __m512 other = _mm512_castsi512_ps(second_of(pair));
    for (size_t plane = 0; plane < 2; ++plane) {
      first[plane] = _mm512_fmadd_ps(one, _mm512_set1_ps(x.first[plane][m]), first[plane]);
      second[plane] = _mm512_fmadd_ps(other, _mm512_set1_ps(x.second[plane][m]), second[plane]);
    }
  }

  HWY_INLINE __m512 added_to(__m512 sums) const {
    for (size_t plane = 0; plane < 2; ++plane)
      sums = _mm512_add_ps(sums, _mm512_add_ps(first[plane], second[plane]));
    return sums;
  }
};

constexpr size_t kAheadBytes = 8192;  // how far ahead rows are fetched, at least

// y[r] of up to 16 rows from `row` on; x [blocks]. False if the decoder met NaN.
template <class Decoder>
bool multiply_group(const WeightMatrix& w, size_t row, size_t rows, const WidePairs* x, float* y) {
  constexpr size_t kLineBlocks = kLineBytes / Decoder::kBlockBytes;
  alignas(64) uint32_t offsets[kGroupRows];
  find_rows<Decoder>(w, rows, kGroupRows, offsets);
  Decoder decoder(w, row);
  const uint8_t* codes = codes_of_row<Decoder>(w, row);
  const size_t blocks = w.cols / kPairBlockCols;
  const size_t row_bytes = blocks * Decoder::kBlockBytes;
  const size_t ahead_bytes = std::max(kGroupRows * row_bytes, kAheadBytes);
  __m512 sums = _mm512_setzero_ps();
  Lines lines;
  for (size_t b = 0; b < blocks; codes += kLineBytes) {
    const size_t end = std::min(b + kLineBlocks, blocks);
    lines.load(codes, offsets, row_bytes - b * Decoder::kBlockBytes);
    for (const uint32_t offset : offsets)
      _mm_prefetch(reinterpret_cast<const char*>(codes + offset + ahead_bytes), _MM_HINT_T0);
    const __m512i scales = decoder.line_scales(offsets, 0, b);
    for (size_t i = 0; b < end; ++i, ++b) {
      BlockSums block;
      decoder.decode(lines, i, scales, [&](size_t m, __m512i pair) { block.add(x[b], m, pair); });
      sums = block.added_to(sums);
    }
  }
  const auto mask = static_cast<__mmask16>((1U << rows) - 1);
  _mm512_mask_storeu_ps(y + row, mask, sums);
  return !decoder.has_met_nan();
}

template <class Decoder>
bool multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                   size_t first_block, float* y) {
  const auto wide = widened(x, first_block, w.cols / kPairBlockCols);
  bool is_right = true;
  for (size_t row = row_begin; row < row_end; row += kGroupRows)
    is_right &= multiply_group<Decoder>(w, row, std::min(kGroupRows, row_end - row), wide.get(), y);
  return is_right;
}

}  // namespace

void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end) {
  alignas(64) std::array<int32_t, 16> first;
  alignas(64) std::array<int32_t, 16> second;
  alignas(64) std::array<uint16_t, 32> order;
  for (size_t m = 0; m < 16; ++m) {
    first[m] = static_cast<int32_t>(pairs.columns().first(m));
    second[m] = static_cast<int32_t>(pairs.columns().second(m));
    order[2 * m] = static_cast<uint16_t>(m);
    order[2 * m + 1] = static_cast<uint16_t>(16 + m);
  }
  const __m512i firsts = _mm512_load_si512(first.data());
  const __m512i seconds = _mm512_load_si512(second.data());
  const __m512i interleaved = _mm512_load_si512(order.data());
  const auto round = [interleaved](__m512 a, __m512 b) {
    const auto rounded = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    return _mm512_permutexvar_epi16(interleaved, rounded);
  };
  const size_t tokens = pairs.tile_tokens();
  const float* rows = x + pairs.first_token(tile) * x_stride;
  for (size_t b = begin; b < end; ++b) {
    uint16_t* out = pairs.block(tile, b);
    for (size_t t = 0; t < tokens; ++t, out += kPairBlockCols) {
      const float* in = rows + t * x_stride + b * kPairBlockCols;
      const __m512 lower = without_smallest(_mm512_loadu_ps(in));
      const __m512 upper = without_smallest(_mm512_loadu_ps(in + 16));
      const __m512 one = _mm512_permutex2var_ps(lower, firsts, upper);
      const __m512 other = _mm512_permutex2var_ps(lower, seconds, upper);
      const __m512i hi = round(one, other);
      const __m512i lo = round(rest(one, first_of(hi)), rest(other, second_of(hi)));
      _mm512_storeu_si512(out, hi);
      _mm512_storeu_si512(out + tokens * kPairBlockCols, lo);
    }
  }
}

void avx512_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                             size_t first_block, float* y) {
  if (row_begin >= row_end) return;
  const bool is_right = are_scales_usual(w, row_begin, row_end) && with_decoder(w.format, [&]<class Decoder> {
                          return multiply_rows<Decoder>(w, row_begin, row_end, x, first_block, y);
                        });
  if (!is_right) pair_matmul_rows(w, row_begin, row_end, x, first_block, y, w.rows);
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {

bool has_avx512_bf16() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
}

}  // namespace sluice

#else

namespace sluice {

bool has_avx512_bf16() {
  return false;
}

void avx512_pair_tokens(const float* x, size_t x_stride, const PairedTokens& pairs, size_t tile, size_t begin,
                        size_t end) {
  pair_tokens(x, x_stride, pairs, tile, begin, end);
}

void avx512_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                             size_t first_block, float* y) {
  pair_matmul_rows(w, row_begin, row_end, x, first_block, y, w.rows);
}

}  // namespace sluice

#endif
