#include "kernels/byte_pairs.h"

#include <hwy/base.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/avx512_pairs.h"
#include "kernels/bf16_pairs.h"
#include "kernels/thread_scratch.h"
#include "kernels/vnni_fixed_point.h"

namespace sluice {
namespace {

constexpr size_t kRowsAtOnce = 16;  // whose sums are added up together
constexpr size_t kChunkSums = 32;   // of a row: each block's with hi, and with lo
constexpr size_t kLineCols = ByteChunk::kCols / ByteChunk::kLines;

size_t sums_floats(size_t cols) {
  return kRowsAtOnce * byte_chunks_of(cols) * kChunkSums;
}

// For scales beyond what faster kernels take.
void pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y) {
  std::vector<uint16_t> values(PairedTokens::values_of(1, w.cols, w.format));
  const PairedTokens pairs(values.data(), 1, w.cols, w.format);
  pair_tokens(x, w.cols, pairs, 0, 0, pairs.lines());
  pair_matmul_rows(w, row_begin, row_end, pairs, 0, y, w.rows);
}

}  // namespace
}  // namespace sluice

#if HWY_ARCH_X86_64
#include "kernels/block_integers-inl.h"
#include "kernels/mxfp4_rows.h"

HWY_PUSH_ATTRIBUTES(SLUICE_PAIR_TARGET ",avx512vbmi,avx512vnni")
namespace sluice {
namespace {

constexpr int kMoreThanTwice = 12;  // than a weight, so that none is negative

// ---- rounding

// A block's integers, column by column, as bytes.
struct BlockBytes {
  __m256i hi;
  __m256i lo;
  float unit;

  HWY_INLINE explicit BlockBytes(const float* x) {
    const BlockIntegers integers(_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16));
    unit = integers.unit;
    __m128i upper[2];
    __m128i lower[2];
    for (size_t i = 0; i < 2; ++i) {
      upper[i] = _mm512_cvtepi32_epi8(upper_bytes(integers.values[i]));
      lower[i] = _mm512_cvtepi32_epi8(integers.values[i]);
    }
    hi = _mm256_set_m128i(upper[1], upper[0]);
    lo = _mm256_set_m128i(lower[1], lower[0]);
  }
};

// A line's bytes by their columns, taken apart.
HWY_INLINE void store_plane(const __m256i (&blocks)[ByteChunk::kLineBlocks], ByteChunk::Plane& plane) {
  alignas(64) static constexpr auto kEven = [] {
    std::array<uint8_t, 64> from{};
    for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(2 * i);
    return from;
  }();
  const __m512i first = _mm512_inserti64x4(_mm512_castsi256_si512(blocks[0]), blocks[1], 1);
  const __m512i second = _mm512_inserti64x4(_mm512_castsi256_si512(blocks[2]), blocks[3], 1);
  const __m512i from = _mm512_load_si512(kEven.data());
  const __m512i even = _mm512_permutex2var_epi8(first, from, second);
  const __m512i odd = _mm512_permutex2var_epi8(first, _mm512_add_epi8(from, _mm512_set1_epi8(1)), second);
  const __m512i more = _mm512_set1_epi8(kMoreThanTwice);
  const __m512i surplus =
      _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), more, even), more, odd);
  _mm512_store_si512(plane.even, even);
  _mm512_store_si512(plane.odd, odd);
  _mm512_store_si512(plane.start, _mm512_sub_epi32(_mm512_setzero_si512(), surplus));
}

// x [ByteChunk::kCols]
void fill_chunk(const float* x, ByteChunk& chunk) {
  for (size_t l = 0; l < ByteChunk::kLines; ++l) {
    __m256i hi[ByteChunk::kLineBlocks];
    __m256i lo[ByteChunk::kLineBlocks];
    for (size_t b = 0; b < ByteChunk::kLineBlocks; ++b) {
      const BlockBytes bytes(x + l * kLineCols + b * kPairBlockCols);
      hi[b] = bytes.hi;
      lo[b] = bytes.lo;
      chunk.half_units[4 * b + l] = bytes.unit / 2;
    }
    store_plane(hi, chunk.lines[l].hi);
    store_plane(lo, chunk.lines[l].lo);
  }
}

// ---- products

// What is added to twice a weight makes it one of 0 ... 24. The code is in the lowest four bits of a byte, of
// which six index the table, so that all codes are there four times.
alignas(64) constexpr auto kIntegers = [] {
  std::array<int8_t, 64> integers{};
  for (size_t i = 0; i < integers.size(); ++i)
    integers[i] = static_cast<int8_t>(2 * e2m1_to_float(static_cast<uint8_t>(i % 16)) + kMoreThanTwice);
  return integers;
}();

// Of a line's weights and one plane, each block's products in the four lanes of its quarter.
HWY_INLINE __m512i lane_sums(__m512i even, __m512i odd, const ByteChunk::Plane& x) {
  const __m512i sums = _mm512_dpbusd_epi32(_mm512_load_si512(x.start), even, _mm512_load_si512(x.even));
  return _mm512_dpbusd_epi32(sums, odd, _mm512_load_si512(x.odd));
}

// Of lanes 2 i and 2 i + 1 of a quarter of a and b, with which those are to be added that lie two further on.
HWY_INLINE __m512i add_pairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

// Of four lines: that of block b of line l at 4 b + l.
HWY_INLINE __m512 block_sums(const __m512i (&lanes)[ByteChunk::kLines]) {
  const __m512i first = add_pairs(lanes[0], lanes[1]);
  const __m512i second = add_pairs(lanes[2], lanes[3]);
  return _mm512_cvtepi32_ps(
      _mm512_add_epi32(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second)));
}

// Blocks' products of a row's chunk, those with hi 256 times too small.
HWY_INLINE void store_sums(const MXFP4Groups& weights, const ByteChunk& x, float* sums) {
  const __m512i integers = _mm512_load_si512(kIntegers.data());
  __m512i hi[ByteChunk::kLines];
  __m512i lo[ByteChunk::kLines];
  for (size_t l = 0; l < ByteChunk::kLines; ++l) {
    const __m512i codes = weights.codes[l];
    const __m512i even = _mm512_permutexvar_epi8(codes, integers);
    const __m512i odd = _mm512_permutexvar_epi8(_mm512_srli_epi16(codes, 4), integers);
    hi[l] = lane_sums(even, odd, x.lines[l].hi);
    lo[l] = lane_sums(even, odd, x.lines[l].lo);
  }
  const __m512 scales = _mm512_mul_ps(weights.scales(), _mm512_load_ps(x.half_units));
  _mm512_store_ps(sums, _mm512_mul_ps(block_sums(hi), scales));
  _mm512_store_ps(sums + 16, _mm512_mul_ps(block_sums(lo), scales));
}

// Whether all scales that were met are such as let bytes be multiplied.
class MetScales {
 public:
  HWY_INLINE MetScales() : above_(_mm512_setzero_si512()) {}

  // Of so many blocks, of those of a chunk.
  HWY_INLINE void add(__m512 scales, size_t blocks) {
    const __mmask16 are_there = blocks == MXFP4Groups::kMostBlocks ? 0xffff : lanes_of(blocks);
    const __m512i above = _mm512_maskz_sub_epi32(are_there, _mm512_castps_si512(scales),
                                                 _mm512_set1_epi32(kLowestScale << kExponentShift));
    above_ = _mm512_or_si512(above_, above);
  }

  bool are_usual() const {
    return _mm512_test_epi32_mask(above_, _mm512_set1_epi32(static_cast<int>(~0U << kUsualBits))) == 0;
  }

 private:
  static constexpr int kExponentShift = 23;
  static constexpr int kUsualBits = kExponentShift + 6;
  static_assert(kHighestScale + 1 - kLowestScale == 1 << 6);

  static __mmask16 lanes_of(size_t blocks) {
    const __m512i blocks_of_lanes = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    return _mm512_cmplt_epu32_mask(blocks_of_lanes, _mm512_set1_epi32(static_cast<int>(blocks)));
  }

  __m512i above_;
};

// y of up to kRowsAtOnce rows from their sums, `stride` apart: block by block, each with hi and then with lo.
// Behind them are sums of some earlier rows or none, whose results are not stored.
void add_up(const float* sums, size_t stride, size_t rows, float* y) {
  __m512 total = _mm512_setzero_ps();
  for (const float* const end = sums + stride; sums < end; sums += kChunkSums) {
    __m512i hi[kRowsAtOnce];
    __m512i lo[kRowsAtOnce];
    for (size_t r = 0; r < kRowsAtOnce; ++r) {
      hi[r] = _mm512_load_si512(sums + r * stride);
      lo[r] = _mm512_load_si512(sums + r * stride + 16);
    }
    transpose(hi);
    transpose(lo);
    for (size_t l = 0; l < ByteChunk::kLines; ++l) {
      for (size_t b = 0; b < ByteChunk::kLineBlocks; ++b) {
        total = _mm512_fmadd_ps(_mm512_castsi512_ps(hi[4 * b + l]), _mm512_set1_ps(256), total);
        total = _mm512_add_ps(total, _mm512_castsi512_ps(lo[4 * b + l]));
      }
    }
  }
  _mm512_mask_storeu_ps(y, static_cast<__mmask16>((1U << rows) - 1), total);
}

// Rows [begin, end), of which there is one at least. False if a scale is such as bytes are not multiplied
// with: y is not to be used then.
bool multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const ByteChunk* chunks,
                   float* sums, float* y) {
  const size_t whole = w.cols / ByteChunk::kCols;
  const size_t rest_blocks = w.cols % ByteChunk::kCols / kMXFP4BlockSize;
  const size_t stride = byte_chunks_of(w.cols) * kChunkSums;
  MXFP4Rows rows(w, row_begin, row_end);
  MetScales scales;
  for (size_t first = row_begin; first < row_end; first += kRowsAtOnce) {
    const size_t count = std::min(kRowsAtOnce, row_end - first);
    for (size_t r = 0; r < count; ++r) {
      float* out = sums + r * stride;
      rows.begin_row();
      for (size_t c = 0; c < whole; ++c, out += kChunkSums) {
        const MXFP4Groups weights = rows.next_groups();
        scales.add(weights.scales(), MXFP4Groups::kMostBlocks);
        store_sums(weights, chunks[c], out);
      }
      if (rest_blocks > 0) {
        const MXFP4Groups weights = rows.rest_of_row(rest_blocks);
        scales.add(weights.scales(), rest_blocks);
        store_sums(weights, chunks[whole], out);
      }
    }
    add_up(sums, stride, count, y + first);
  }
  return scales.are_usual();
}

}  // namespace

void pair_bytes(const float* x, size_t cols, ByteChunk* chunks) {
  const size_t whole = cols / ByteChunk::kCols;
  for (size_t c = 0; c < whole; ++c) fill_chunk(x + c * ByteChunk::kCols, chunks[c]);
  if (whole == byte_chunks_of(cols)) return;
  alignas(64) float rest[ByteChunk::kCols] = {};
  std::copy(x + whole * ByteChunk::kCols, x + cols, rest);
  fill_chunk(rest, chunks[whole]);
}

void byte_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                           const ByteChunk* chunks, float* y) {
  static_assert(MXFP4Groups::kMost == ByteChunk::kLines);
  if (row_begin >= row_end) return;
  thread_local ThreadScratch scratch;
  float* const sums = scratch.floats(sums_floats(w.cols));
  if (!multiply_rows(w, row_begin, row_end, chunks, sums, y)) pair_matvec_rows(w, row_begin, row_end, x, y);
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {

bool has_byte_pairs() {
  return has_avx512_bf16() && has_vnni();
}

}  // namespace sluice

#else

namespace sluice {

bool has_byte_pairs() {
  return false;
}

void pair_bytes(const float* /*x*/, size_t /*cols*/, ByteChunk* /*chunks*/) {}

void byte_pair_matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                           const ByteChunk* /*chunks*/, float* y) {
  pair_matvec_rows(w, row_begin, row_end, x, y);
}

}  // namespace sluice

#endif

namespace sluice {

size_t byte_pair_thread_bytes(size_t cols) {
  return sums_floats(cols) * sizeof(float);
}

}  // namespace sluice
