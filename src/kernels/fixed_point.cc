#include "kernels/fixed_point.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/fetch_ahead.h"
#include "kernels/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/fixed_point.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/fixed_point-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

constexpr size_t kBlocksPerGroup = kGroupCols / kMXFP4BlockSize;

// ---- rounding

struct BlockScale {
  float to_integer;
  float scale;  // of a sum of the integers' products with weights' integers
};

BlockScale scale_of_block(const float* x) {
  const FloatTag floats;
  const WordTag words;
  auto largest = hn::Zero(words);  // magnitudes are ordered as their bits are, NaN above all
  for (size_t i = 0; i < kMXFP4BlockSize; i += kPartLanes)
    largest = hn::Max(largest, hn::BitCast(words, hn::Abs(hn::LoadU(floats, x + i))));
  const uint32_t bits = hn::GetLane(hn::MaxOfLanes(words, largest));
  const auto magnitude = std::bit_cast<float>(bits);
  if (bits >= 0x7f800000U) return {0, std::numeric_limits<float>::quiet_NaN()};
  if (magnitude < 0x1p-100F) return {0, 0};
  return {32767.0F / magnitude, magnitude * (1 / (32767.0F * kMXFP4One))};
}

// integers [kGroupCols], column after column.
void store_integers(const int16_t* integers, FixedGroup& group) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t m = 0; m < 32; ++m) {
    for (size_t k = 0; k < 4; ++k) group.values[k][m] = integers[4 * m + k];
  }
#else
  const ShortTag shorts;
  for (size_t m = 0; m < 32; m += hn::Lanes(shorts)) {
    Shorts values[4];
    hn::LoadInterleaved4(shorts, integers + 4 * m, values[0], values[1], values[2], values[3]);
    for (size_t k = 0; k < 4; ++k) hn::Store(values[k], shorts, group.values[k] + m);
  }
#endif
}

void round_group(const float* x, FixedGroup& group) {
  const FloatTag floats;
  const hn::Rebind<int16_t, FloatTag> shorts;
  alignas(64) int16_t integers[kGroupCols];
  for (size_t block = 0; block < kBlocksPerGroup; ++block) {
    const size_t first = block * kMXFP4BlockSize;
    const BlockScale scale = scale_of_block(x + first);
    const auto factor = hn::Set(floats, scale.to_integer);
    for (size_t i = first; i < first + kMXFP4BlockSize; i += kPartLanes)
      hn::Store(hn::DemoteTo(shorts, hn::NearestInt(hn::Mul(hn::LoadU(floats, x + i), factor))), shorts,
                integers + i);
    std::fill_n(group.scales + 4 * block, 4, scale.scale);
  }
  store_integers(integers, group);
}

void round_row(const float* x, size_t cols, FixedGroup* groups) {
  const size_t whole = cols / kGroupCols;
  for (size_t g = 0; g < whole; ++g) round_group(x + g * kGroupCols, groups[g]);
  if (whole * kGroupCols == cols) return;
  float rest[kGroupCols] = {};
  std::copy(x + whole * kGroupCols, x + cols, rest);
  round_group(rest, groups[whole]);
}

// ---- one token or a few: a weight is decoded in registers and multiplied at once with every token

constexpr size_t kFewTokens = 6;

// y[t * y_stride + r] of kRows rows from `row` on; x [kTokens][groups].
template <size_t kRows, size_t kTokens>
HWY_INLINE void products_of_rows(const WeightMatrix& w, size_t row, const FixedGroup* HWY_RESTRICT x,
                                 float* y, size_t y_stride) {
  const auto rows = [&]<size_t... r>(std::index_sequence<r...>) {
    return std::array<MXFP4Groups, kRows>{MXFP4Groups(w, row + r)...};
  }
  (std::make_index_sequence<kRows>());
  const size_t groups = groups_of(w.cols);
  Floats sums[kRows][kTokens][kParts];
  for (auto& tokens : sums) {
    for (auto& parts : tokens) {
      for (auto& sum : parts) sum = hn::Zero(FloatTag());
    }
  }
  const auto add = [&](const auto& weights_of_row, size_t g) HWY_ATTR {
    for (size_t h = 0; h < kParts; ++h) {
      FixedPart decoded[kRows];
      for (size_t r = 0; r < kRows; ++r) decoded[r] = decode_fixed(weights_of_row(r), h);
      for (size_t t = 0; t < kTokens; ++t) {
        const FixedPart inputs = load_fixed(x[t * groups + g], h);
        for (size_t r = 0; r < kRows; ++r) sums[r][t][h] = add_fixed(decoded[r], inputs, sums[r][t][h]);
      }
    }
  };
  const size_t whole = w.cols / kGroupCols;
  if (whole > 0) {
    for (const MXFP4Groups& weights : rows) announce_row(weights.whole(0).codes, whole * kMXFP4GroupBytes);
  }
  for (size_t g = 0; g < whole; ++g) {
    for (const MXFP4Groups& weights : rows) fetch_ahead(weights.whole(g).codes, kMXFP4GroupBytes);
    add([&](size_t r) HWY_ATTR { return rows[r].whole(g); }, g);
  }
  if (const size_t rest_blocks = w.cols / kMXFP4BlockSize % kBlocksPerGroup; rest_blocks > 0) {
    uint8_t codes[kMXFP4GroupBytes];
    add([&](size_t r) { return rows[r].rest(whole, rest_blocks, codes); }, whole);
  }
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t r = 0; r < kRows; ++r) y[t * y_stride + r] = sum_of_lanes(sums[r][t]);
  }
}

// One token's rows one after the other, as they lie in memory: several at once were fetched more slowly.
template <size_t kTokens>
void products_of_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                        float* y, size_t y_stride) {
  constexpr size_t kRows = kTokens > 1 && (HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM) ? 2 : 1;
  size_t row = row_begin;
  for (; row + kRows <= row_end; row += kRows) products_of_rows<kRows, kTokens>(w, row, x, y + row, y_stride);
  for (; row < row_end; ++row) products_of_rows<1, kTokens>(w, row, x, y + row, y_stride);
}

using FewProducts = void (*)(const WeightMatrix&, size_t, size_t, const FixedGroup*, float*, size_t);

template <size_t... kCounts>
FewProducts products_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr FewProducts kProducts[] = {products_of_tokens<kCounts + 1>...};
  return kProducts[tokens - 1];
}

// ---- many tokens: a step of columns is decoded once and multiplied with every token

constexpr size_t kTileRows = 2;
constexpr size_t kTileTokens = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 6 : 2;
constexpr size_t kStepGroups = 4;    // between storing sums: 20 KB of weights and 8 KB of x
constexpr size_t kDecodedRows = 16;  // that share a tile's tokens while these are in L1
constexpr size_t kBatchTokens = 96;  // at most, so that sums stay small

constexpr size_t kPanelsFloats = kDecodedRows * kStepGroups * sizeof(FixedGroup) / sizeof(float);

constexpr size_t sums_floats(size_t tokens) {
  return kDecodedRows * tokens * kDotLanes;
}

// Groups [begin, end) of a row; beyond the last column there are zeros.
void decode_groups(const WeightMatrix& w, size_t row, size_t begin, size_t end, FixedGroup* groups) {
  const MXFP4Groups weights(w, row);
  const size_t whole = w.cols / kGroupCols;
  uint8_t rest[kMXFP4GroupBytes];
  for (size_t g = begin; g < end; ++g, ++groups) {
    const MXFP4Group group =
        g < whole ? weights.whole(g) : weights.rest(g, w.cols / kMXFP4BlockSize % kBlocksPerGroup, rest);
    for (size_t h = 0; h < kParts; ++h) store_fixed(decode_fixed(group, h), h, *groups);
  }
}

// sums [kTileRows][kCount][lane] gain the products of `groups` groups of as many rows and tokens.
template <size_t kCount>
void tile(const FixedGroup* HWY_RESTRICT panel, const FixedGroup* HWY_RESTRICT x, size_t x_stride,
          size_t groups, float* HWY_RESTRICT sums) {
  const FloatTag floats;
  for (size_t h = 0; h < kParts; ++h, sums += kPartLanes) {
    Floats tile_sums[kTileRows][kCount];
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        tile_sums[r][t] = hn::Load(floats, sums + (r * kCount + t) * kDotLanes);
    }
    for (size_t g = 0; g < groups; ++g) {
      const FixedPart upper = load_fixed(panel[g], h);
      const FixedPart lower = load_fixed(panel[kStepGroups + g], h);
      for (size_t t = 0; t < kCount; ++t) {
        const FixedPart inputs = load_fixed(x[t * x_stride + g], h);
        tile_sums[0][t] = add_fixed(upper, inputs, tile_sums[0][t]);
        tile_sums[1][t] = add_fixed(lower, inputs, tile_sums[1][t]);
      }
    }
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        hn::Store(tile_sums[r][t], floats, sums + (r * kCount + t) * kDotLanes);
    }
  }
}

using Tile = void (*)(const FixedGroup*, const FixedGroup*, size_t, size_t, float*);

template <size_t... kCounts>
Tile tile_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr Tile kTiles[] = {tile<kCounts + 1>...};
  return kTiles[tokens - 1];
}

// Up to kDecodedRows rows times a batch of tokens.
class RowBlock {
 public:
  // `scratch`: kPanelsFloats + sums_floats(tokens).
  RowBlock(const FixedGroup* x, size_t tokens, size_t groups, float* scratch)
      : x_(x),
        tokens_(tokens),
        groups_(groups),
        panels_(reinterpret_cast<FixedGroup*>(scratch)),
        sums_(scratch + kPanelsFloats) {}

  void multiply(const WeightMatrix& w, size_t row, size_t rows, float* y, size_t y_stride) {
    std::fill_n(sums_, sums_floats(tokens_), 0.0F);
    for (size_t begin = 0; begin < groups_; begin += kStepGroups) {
      const size_t end = std::min(groups_, begin + kStepGroups);
      // Beyond the last row that row again, whose sums nobody reads.
      for (size_t r = 0; r < rows + rows % kTileRows; ++r)
        decode_groups(w, row + std::min(r, rows - 1), begin, end, panels_ + r * kStepGroups);
      for (size_t t = 0; t < tokens_; t += kTileTokens) add_step(rows, t, begin, end);
    }
    for (size_t t = 0; t < tokens_; t += kTileTokens) store(rows, t, y, y_stride);
  }

 private:
  size_t count_at(size_t t) const { return std::min(kTileTokens, tokens_ - t); }
  // [kTileRows][count_at(t)][lane]
  float* sums_of(size_t t, size_t r) const {
    return sums_ + (t * kDecodedRows + r * count_at(t)) * kDotLanes;
  }

  void add_step(size_t rows, size_t t, size_t begin, size_t end) {
    const Tile tile = tile_of(count_at(t), std::make_index_sequence<kTileTokens>());
    for (size_t r = 0; r < rows; r += kTileRows)
      tile(panels_ + r * kStepGroups, x_ + t * groups_ + begin, groups_, end - begin, sums_of(t, r));
  }

  void store(size_t rows, size_t first, float* y, size_t y_stride) const {
    for (size_t r = 0; r < rows; ++r) {
      const float* sums = sums_of(first, r);
      for (size_t t = 0; t < count_at(first); ++t) {
        Floats parts[kParts];
        for (size_t h = 0; h < kParts; ++h)
          parts[h] = hn::Load(FloatTag(), sums + t * kDotLanes + h * kPartLanes);
        y[(first + t) * y_stride + r] = sum_of_lanes(parts);
      }
    }
  }

  const FixedGroup* x_;
  size_t tokens_;
  size_t groups_;
  FixedGroup* panels_;
  float* sums_;
};

void product_of_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                       size_t tokens, float* y, size_t y_stride) {
  if (tokens >= 1 && tokens <= kFewTokens) {
    products_of(tokens, std::make_index_sequence<kFewTokens>())(w, row_begin, row_end, x, y, y_stride);
    return;
  }
  const size_t groups = groups_of(w.cols);
  thread_local ThreadScratch scratch;
  for (size_t first = 0; first < tokens; first += kBatchTokens) {
    const size_t count = std::min(kBatchTokens, tokens - first);
    RowBlock block(x + first * groups, count, groups, scratch.floats(kPanelsFloats + sums_floats(count)));
    for (size_t row = row_begin; row < row_end; row += kDecodedRows)
      block.multiply(w, row, std::min(kDecodedRows, row_end - row), y + first * y_stride + row, y_stride);
  }
}

size_t thread_bytes() {
  return (kPanelsFloats + sums_floats(kBatchTokens)) * sizeof(float);
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(round_row);
HWY_EXPORT(product_of_tokens);
HWY_EXPORT(thread_bytes);

void round_to_fixed(const float* x, size_t cols, FixedGroup* groups) {
  HWY_DYNAMIC_DISPATCH(round_row)(x, cols, groups);
}

void fixed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const FixedGroup* x,
                       size_t tokens, float* y, size_t y_stride) {
  HWY_DYNAMIC_DISPATCH(product_of_tokens)(w, row_begin, row_end, x, tokens, y, y_stride);
}

size_t fixed_thread_bytes() {
  return HWY_DYNAMIC_DISPATCH(thread_bytes)();
}

}  // namespace sluice
#endif  // HWY_ONCE
