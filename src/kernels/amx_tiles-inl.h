// Products of tiles by AMX, for the kernels that take weights and tokens there in two ways
// (amx_row_stream-inl.h, amx_row_block-inl.h). Included inside of what has intrinsics alone.
#pragma once

#include "kernels/pair_decoders-inl.h"

#define SLUICE_TILE_TARGET "amx-tile,amx-bf16," SLUICE_PAIR_TARGET

HWY_PUSH_ATTRIBUTES(SLUICE_TILE_TARGET)
namespace sluice {
namespace {

inline constexpr size_t kTileSums = kGroupRows * kTileTokens;
inline constexpr size_t kGroups = 4;  // tiles of rows that are multiplied side by side
inline constexpr size_t kPanelRows = kGroups * kGroupRows;

// The intrinsics do not tell the compiler what they read: what was written before has to be in memory.
inline void compiler_barrier() {
  __asm__ volatile("" ::: "memory");
}

// The tile registers: sums in 0 ... 3 and x in 4 and 5, with a column for each of `tokens`; weights in 6
// and 7. Until the end of the scope.
class TileConfig {
 public:
  explicit TileConfig(size_t tokens) {
    struct alignas(64) {
      uint8_t palette = 1;
      uint8_t start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (size_t i = 0; i < 8; ++i) {
      config.row_bytes[i] = static_cast<uint16_t>(i < 6 ? 4 * tokens : 64);
      config.rows[i] = 16;
    }
    compiler_barrier();
    _tile_loadconfig(&config);
  }
  ~TileConfig() { _tile_release(); }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;
};

// The groups of rows are taken in two halves: 0 and 1, 2 and 3. Registers are written as numbers, since the
// intrinsics take nothing else.
enum class Half : uint8_t { kUpper, kLower };

template <Half kHalf>
HWY_INLINE void clear_sums() {
  if constexpr (kHalf == Half::kUpper) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_zero(2);
    _tile_zero(3);
  }
}

// sums [kGroups][kTileSums]
template <Half kHalf>
HWY_INLINE void load_sums(const float* sums) {
  compiler_barrier();
  if constexpr (kHalf == Half::kUpper) {
    _tile_stream_loadd(0, sums, 64);
    _tile_stream_loadd(1, sums + kTileSums, 64);
  } else {
    _tile_stream_loadd(2, sums + 2 * kTileSums, 64);
    _tile_stream_loadd(3, sums + 3 * kTileSums, 64);
  }
}

template <Half kHalf>
HWY_INLINE void store_sums(float* sums) {
  if constexpr (kHalf == Half::kUpper) {
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + kTileSums, 64);
  } else {
    _tile_stored(2, sums + 2 * kTileSums, 64);
    _tile_stored(3, sums + 3 * kTileSums, 64);
  }
}

// A block of columns of a tile of tokens, hi and lo, for both halves.
HWY_INLINE void load_tokens(const uint16_t* x, size_t tokens) {
  const size_t row_bytes = 2 * tokens * sizeof(uint16_t);
  compiler_barrier();
  _tile_stream_loadd(4, x, row_bytes);
  _tile_stream_loadd(5, x + tokens * kPairBlockCols, row_bytes);
}

// A half's sums gain the products of a block of columns, of two tiles of rows, `group_values` apart, and the
// tile of tokens: with hi, then with lo. After the p-th product of a block meanwhile(p) does something else,
// while tiles are busy: a little at a time, or they wait for what they load next.
inline constexpr size_t kBlockProducts = 8;  // of both halves

template <Half kHalf, class Meanwhile>
HWY_INLINE void multiply_half(const uint16_t* weights, size_t group_values, const Meanwhile& meanwhile) {
  if constexpr (kHalf == Half::kUpper) {
    _tile_loadd(6, weights, 64);
    _tile_dpbf16ps(0, 6, 4);
    meanwhile(0);
    _tile_loadd(7, weights + group_values, 64);
    _tile_dpbf16ps(1, 7, 4);
    meanwhile(1);
    _tile_dpbf16ps(0, 6, 5);
    meanwhile(2);
    _tile_dpbf16ps(1, 7, 5);
    meanwhile(3);
  } else {
    _tile_loadd(6, weights + 2 * group_values, 64);
    _tile_dpbf16ps(2, 6, 4);
    meanwhile(4);
    _tile_loadd(7, weights + 3 * group_values, 64);
    _tile_dpbf16ps(3, 7, 4);
    meanwhile(5);
    _tile_dpbf16ps(2, 6, 5);
    meanwhile(6);
    _tile_dpbf16ps(3, 7, 5);
    meanwhile(7);
  }
}

// y[t * y_stride + r] of up to kGroupRows rows and `tokens`, from sums [row][kTileTokens].
inline void copy_sums(const float* sums, size_t rows, size_t tokens, float* y, size_t y_stride) {
  __m512i columns[kGroupRows];
  for (size_t r = 0; r < kGroupRows; ++r) columns[r] = _mm512_load_si512(sums + r * kTileTokens);
  transpose(columns);
  const auto mask = static_cast<__mmask16>((1U << rows) - 1);
  for (size_t t = 0; t < tokens; ++t) _mm512_mask_storeu_epi32(y + t * y_stride, mask, columns[t]);
}

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
