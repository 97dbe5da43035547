// Rows of MXFP4 weights one after the other, as memory has them, group by group. By AVX-512 with permutations
// of bytes (VBMI): for the kernels that multiply one token or a few with them.
#pragma once

#include <hwy/base.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/fetch_ahead.h"
#include "kernels/groups.h"
#include "numerics/weight_matrix.h"

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")
namespace sluice {

// Some groups of a row.
class MXFP4Groups {
 public:
  static constexpr size_t kMost = 4;  // a vector has the scales of their blocks
  static constexpr size_t kGroupBlocks = kGroupCols / kMXFP4BlockSize;
  static constexpr size_t kMostBlocks = kMost * kGroupBlocks;

  static constexpr size_t count_of(size_t blocks) { return (blocks + kGroupBlocks - 1) / kGroupBlocks; }

  // Of `blocks`, the scales of which begin at `scales`. Behind them 2^-127, which meets zeros.
  HWY_INLINE MXFP4Groups(const uint8_t* scales, size_t blocks) {
    const __m128i scale_codes =
        _mm_maskz_loadu_epi8(static_cast<__mmask16>((uint32_t{1} << blocks) - 1), scales);
    const __m512i exponents = _mm512_slli_epi32(
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(scale_codes), _mm512_load_si512(kPlaces.data())), 7);
    // The code 0 means 2^-127, a subnormal number; 255, NaN, becomes infinity.
    scales_ = _mm512_max_epu32(exponents, _mm512_set1_epi32(0x00400000));
  }

  __m512i codes[kMost];

  // Of block b of group i in lane 4 b + i.
  HWY_INLINE __m512 scales() const { return _mm512_castsi512_ps(scales_); }

  // Of each lane in a group.
  template <size_t kGroup>
  HWY_INLINE __m512 lane_scales() const {
    return _mm512_castsi512_ps(_mm512_shuffle_epi32(scales_, static_cast<_MM_PERM_ENUM>(0x55 * kGroup)));
  }

 private:
  // Block b of group i goes to lane 4 b + i, to the upper half of it: a group's scales are repeated in the
  // lanes of their blocks by one instruction that finds an execution unit anywhere.
  alignas(64) static constexpr auto kPlaces = [] {
    std::array<uint8_t, 64> bytes{};
    bytes.fill(0x80);  // zero
    for (size_t i = 0; i < kMost; ++i) {
      for (size_t b = 0; b < kGroupBlocks; ++b)
        bytes[4 * (4 * b + i) + 2] = static_cast<uint8_t>(kGroupBlocks * i + b);
    }
    return bytes;
  }();

  __m512i scales_;
};

// In a slot codes lie as they did in their file, at any address, and a load from two lines of the cache asks
// for both, which takes up to a third of the speed. So each line is loaded once, and two neighbours make a
// group; and it is loaded four groups before its use, since what was fetched ahead is not always there yet.
class MXFP4Rows {
 public:
  // Rows [begin, end), of which there is one at least.
  HWY_INLINE MXFP4Rows(const WeightMatrix& w, size_t begin, size_t end)
      : row_bytes_(w.cols / 2),
        row_end_(reinterpret_cast<const uint8_t*>(w.values) + begin * row_bytes_),
        end_(reinterpret_cast<const uint8_t*>(w.values) + end * row_bytes_),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) + begin * (w.cols / kMXFP4BlockSize)) {
    load_from(row_end_);
  }

  // Goes on to the next row, at first to the first one.
  HWY_INLINE void begin_row() {
    announce_row(row_end_, row_bytes_);
    row_end_ += row_bytes_;
  }

  // The row's next MXFP4Groups::kMost, none of which is cut off.
  HWY_INLINE MXFP4Groups next_groups() {
    __builtin_prefetch(scales_ + kScalesAheadBytes, 0, 3);
    fetch_ahead(line_, MXFP4Groups::kMost * kCacheLineBytes);
    MXFP4Groups groups(scales_, MXFP4Groups::kMostBlocks);
    scales_ += MXFP4Groups::kMostBlocks;
    for (size_t i = 0; i < MXFP4Groups::kMost; ++i)
      groups.codes[i] = _mm512_permutex2var_epi8(lines_[i], bytes_, lines_[i + 1]);
    lines_[0] = lines_[MXFP4Groups::kMost];
    line_ += MXFP4Groups::kMost * kCacheLineBytes;
    load_behind_first();
    return groups;
  }

  // The row's last `blocks` < MXFP4Groups::kMostBlocks, with zeros behind them.
  HWY_INLINE MXFP4Groups rest_of_row(size_t blocks) {
    MXFP4Groups groups(scales_, blocks);
    scales_ += blocks;
    size_t left = blocks * kBlockBytes;
    for (__m512i& codes : groups.codes) {
      const size_t bytes = std::min(left, kCacheLineBytes);
      const __mmask64 mask = bytes == 0 ? 0 : ~__mmask64{0} >> (kCacheLineBytes - bytes);
      codes = _mm512_maskz_loadu_epi8(mask, row_end_ - left);
      left -= bytes;
    }
    if (row_end_ < end_) load_from(row_end_);
    return groups;
  }

 private:
  static constexpr size_t kBlockBytes = kMXFP4BlockSize / 2;
  static constexpr size_t kScalesAheadBytes = 512;  // of which a line serves sixteen groups

  alignas(64) static constexpr auto kAscending = [] {
    std::array<uint8_t, kCacheLineBytes> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
    return bytes;
  }();

  static size_t offset_of(const uint8_t* codes) {
    return reinterpret_cast<uintptr_t>(codes) % kCacheLineBytes;
  }

  HWY_INLINE void load_from(const uint8_t* codes) {
    line_ = codes - offset_of(codes);
    last_line_ = end_ - 1 - offset_of(end_ - 1);
    // Bytes 0 ... 63 are a line's, the others those of the next one.
    const __m512i offset = _mm512_set1_epi8(static_cast<char>(offset_of(codes)));
    bytes_ = _mm512_add_epi8(_mm512_load_si512(kAscending.data()), offset);
    lines_[0] = load(line_);
    load_behind_first();
  }

  // The lines that the next groups lie in, or where there are too few groups any, which nobody uses.
  HWY_INLINE void load_behind_first() {
    static_assert(MXFP4Groups::kMost == 4);
    const bool follow = line_ + 3 * kCacheLineBytes <= last_line_;
    const uint8_t* const first = follow ? line_ : last_line_;
    const size_t step = follow ? kCacheLineBytes : 0;
    lines_[1] = load(first + step);
    lines_[2] = load(first + 2 * step);
    lines_[3] = load(first + 3 * step);
    lines_[4] = load(std::min(line_ + 4 * kCacheLineBytes, last_line_));
  }

  // A line that has some of the codes, whatever else is in it, since no memory begins or ends within one. By
  // assembly, since AddressSanitizer knows of smaller pieces.
  static HWY_INLINE __m512i load(const uint8_t* line) {
    __m512i loaded;
    asm("vmovdqa64 %1, %0" : "=v"(loaded) : "m"(*reinterpret_cast<const __m512i*>(line)));
    return loaded;
  }

  size_t row_bytes_;
  const uint8_t* row_end_;
  const uint8_t* end_;
  const uint8_t* scales_;
  const uint8_t* line_;
  const uint8_t* last_line_;
  __m512i bytes_;
  __m512i lines_[MXFP4Groups::kMost + 1];  // from line_ on
};

}  // namespace sluice
HWY_POP_ATTRIBUTES

#endif
