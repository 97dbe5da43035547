// Included once per SIMD target: where packed_tokens.h has what.
#if !defined(SLUICE_KERNELS_PACKED_TOKENS_INL_H_) == !defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_PACKED_TOKENS_INL_H_
#undef SLUICE_KERNELS_PACKED_TOKENS_INL_H_
#else
#define SLUICE_KERNELS_PACKED_TOKENS_INL_H_
#endif

#include <algorithm>

#include "kernels/lanes-inl.h"
#include "kernels/packed_tokens.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {

// Tokens side by side, whose sums for some rows fit into registers.
constexpr size_t kTileTokens = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 6 : 3;

constexpr size_t tiles_of(size_t tokens) {
  return (tokens + kTileTokens - 1) / kTileTokens;
}

constexpr size_t tokens_of_tile(size_t tokens, size_t tile) {
  return std::min(kTileTokens, tokens - tile * kTileTokens);
}

// Tiles lie one behind the other: [tile][group][slice][token of the tile][lane].
HWY_INLINE size_t packed_tile_offset(size_t cols, size_t tile) {
  return tile * kTileTokens * groups_of(cols) * kGroupCols;
}

// Where a product's first column of a tile is.
HWY_INLINE const float* packed_tile(const PackedTokens& x, size_t tile) {
  return x.values + packed_tile_offset(x.cols, tile) + x.first_col * tokens_of_tile(x.tokens, tile);
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
