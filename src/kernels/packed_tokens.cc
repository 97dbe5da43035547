#include "kernels/packed_tokens.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/packed_tokens.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/packed_tokens-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// One token's group, its slices `step` floats apart.
template <ColumnOrder kOrder>
HWY_INLINE void pack_group(const float* x, size_t step, float* out) {
  for (size_t h = 0; h < kParts; ++h) {
    Floats slices[kSlices];
    slice_part<kOrder>(x, h, slices);
    for (size_t s = 0; s < kSlices; ++s) hn::Store(slices[s], FloatTag(), out + s * step + kPartLanes * h);
  }
}

template <ColumnOrder kOrder>
void pack_token(const float* x, size_t cols, size_t tile_tokens, float* out) {
  const size_t step = tile_tokens * kDotLanes;
  const size_t whole_groups = cols / kGroupCols;
  for (size_t g = 0; g < whole_groups; ++g)
    pack_group<kOrder>(x + g * kGroupCols, step, out + g * kSlices * step);
  if (whole_groups * kGroupCols == cols) return;
  float rest[kGroupCols] = {};
  std::copy_n(x + whole_groups * kGroupCols, cols % kGroupCols, rest);
  pack_group<kOrder>(rest, step, out + whole_groups * kSlices * step);
}

void pack(WeightFormat format, const float* x, size_t x_stride, size_t tokens, size_t cols, float* packed) {
  for (size_t t = 0; t < tokens; ++t) {
    const size_t tile = t / kTileTokens;
    float* const out = packed + packed_tile_offset(cols, tile) + t % kTileTokens * kDotLanes;
    const size_t tile_tokens = tokens_of_tile(tokens, tile);
    const float* const token = x + t * x_stride;
    switch (column_order(format)) {
      case ColumnOrder::kNatural:
        pack_token<ColumnOrder::kNatural>(token, cols, tile_tokens, out);
        break;
      case ColumnOrder::kPairs:
        pack_token<ColumnOrder::kPairs>(token, cols, tile_tokens, out);
        break;
      case ColumnOrder::kNibbles:
        pack_token<ColumnOrder::kNibbles>(token, cols, tile_tokens, out);
        break;
    }
  }
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(pack);

size_t packed_floats(size_t tokens, size_t cols) {
  return tokens * groups_of(cols) * kGroupCols;
}

void pack_tokens(WeightFormat format, const float* x, size_t x_stride, size_t tokens, size_t cols,
                 float* packed) {
  HWY_DYNAMIC_DISPATCH(pack)(format, x, x_stride, tokens, cols, packed);
}

}  // namespace sluice
#endif  // HWY_ONCE
