#include "kernels/index_scores.h"

#include <algorithm>
#include <memory>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/index_scores.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/highway.h"
#include "kernels/lanes-inl.h"
#include "kernels/widen_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// Sums that a tile keeps in registers: kTileKeys for each vector of heads.
constexpr size_t kTileKeys = 6;
constexpr size_t kTileBlocks = kPartLanes == kDotLanes ? 4 : 1;  // of sixteen heads

// totals[i] gains what the heads of `kBlocks` blocks say of key i. packed: at the first of these heads.
template <size_t kBlocks>
void add_heads(const float* HWY_RESTRICT packed, const float* HWY_RESTRICT weights, size_t padded_heads,
               size_t width, const float* const (&keys)[kTileKeys], Floats (&totals)[kTileKeys][kParts]) {
  constexpr size_t kVectors = kBlocks * kParts;
  const FloatTag floats;
  Floats sums[kTileKeys][kVectors];
  for (auto& of_key : sums) {
    for (auto& sum : of_key) sum = hn::Zero(floats);
  }
  for (size_t c = 0; c < width; ++c) {
    Floats queries[kVectors];
    for (size_t v = 0; v < kVectors; ++v)
      queries[v] = hn::LoadU(floats, packed + c * padded_heads + v * kPartLanes);
    for (size_t i = 0; i < kTileKeys; ++i) {
      const auto key = hn::Set(floats, keys[i][c]);
      for (size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::MulAdd(queries[v], key, sums[i][v]);
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    const auto weight = hn::LoadU(floats, weights + v * kPartLanes);
    for (size_t i = 0; i < kTileKeys; ++i) {
      Floats& total = totals[i][v % kParts];
      total = hn::MulAdd(weight, hn::Max(sums[i][v], hn::Zero(floats)), total);
    }
  }
}

// keys: kTileKeys of them, the last ones perhaps the same.
void score_keys(const float* HWY_RESTRICT packed, size_t blocks, size_t width,
                const float* const (&keys)[kTileKeys], float (&scores)[kTileKeys]) {
  const size_t padded_heads = blocks * kDotLanes;
  const float* const weights = packed + width * padded_heads;
  Floats totals[kTileKeys][kParts];
  for (auto& of_key : totals) {
    for (auto& total : of_key) total = hn::Zero(FloatTag());
  }
  size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks) {
    add_heads<kTileBlocks>(packed + b * kDotLanes, weights + b * kDotLanes, padded_heads, width, keys,
                           totals);
  }
  for (; b < blocks; ++b)
    add_heads<1>(packed + b * kDotLanes, weights + b * kDotLanes, padded_heads, width, keys, totals);
  for (size_t i = 0; i < kTileKeys; ++i) scores[i] = sum_of_lanes(totals[i]);
}

void index_scores_on_target(const float* packed, size_t heads, size_t width, const Rows& keys,
                            float* scores) {
  const size_t blocks = (heads + kDotLanes - 1) / kDotLanes;
  const size_t scratch_floats = keys.format == RowFormat::kF32 ? 0 : kTileKeys * width;
  const auto scratch = std::make_unique_for_overwrite<float[]>(scratch_floats);
  for (size_t first = 0; first < keys.size(); first += kTileKeys) {
    const size_t count = std::min(kTileKeys, keys.size() - first);
    const float* tile[kTileKeys];
    for (size_t i = 0; i < count; ++i)
      tile[i] = widen_row(keys.format, keys.rows[first + i], width, scratch.get() + i * width);
    std::fill(tile + count, tile + kTileKeys, tile[count - 1]);
    float tile_scores[kTileKeys];
    score_keys(packed, blocks, width, tile, tile_scores);
    std::copy_n(tile_scores, count, scores + first);
  }
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {
namespace {

HWY_EXPORT(index_scores_on_target);

size_t padded(size_t heads) {
  return (heads + kDotLanes - 1) / kDotLanes * kDotLanes;
}

}  // namespace

size_t packed_queries_floats(size_t heads, size_t width) {
  return padded(heads) * (width + 1);
}

void pack_queries(const float* queries, const float* weights, size_t heads, size_t width, float* packed) {
  const size_t stride = padded(heads);
  std::fill_n(packed, packed_queries_floats(heads, width), 0.0F);
  for (size_t h = 0; h < heads; ++h) {
    for (size_t c = 0; c < width; ++c) packed[c * stride + h] = queries[h * width + c];
    packed[width * stride + h] = weights[h];
  }
}

void index_scores(const float* packed, size_t heads, size_t width, const Rows& keys, float* scores) {
  HWY_DYNAMIC_DISPATCH(index_scores_on_target)(packed, heads, width, keys, scores);
}

}  // namespace sluice
#endif  // HWY_ONCE
