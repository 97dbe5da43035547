#include "kernels/matmul.h"

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cstring>

#include "kernels/matvec.h"
#include "kernels/packed_tokens.h"
#include "kernels/share_rows.h"
#include "kernels/simd_target.h"
#include "kernels/thread_scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/packed_tokens-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// A tile of outputs has what it gains in registers: 24 of 32, or 12 of 16.
constexpr size_t kTileRows = 4;
constexpr size_t kStepGroups = 4;  // of columns, between storing sums: 9 KB of weights and 12 KB of x, in L1
constexpr size_t kDecodedRows = 16;  // that share x while it is in L1

// The weights of a group of kTileRows rows.
struct alignas(64) DecodedGroup {
  float slices[kSlices][kTileRows][kDotLanes];
  float scales[kTileRows][kDotLanes];
};
using Panel = DecodedGroup[kStepGroups];

constexpr size_t kPanelsFloats = kDecodedRows / kTileRows * sizeof(Panel) / sizeof(float);

constexpr size_t sums_floats(size_t tokens) {
  return kDecodedRows * tokens * kDotLanes;
}

size_t block_floats(size_t tokens) {
  return kPanelsFloats + sums_floats(tokens);
}

// Groups [begin, end) of up to kTileRows rows. Beyond the last row there is that row again, whose sums nobody
// reads.
template <class Row>
void decode_panel(const WeightMatrix& w, size_t row, size_t rows, size_t begin, size_t end, Panel& panel) {
  const FloatTag floats;
  const size_t whole_groups = w.cols / kGroupCols;
  for (size_t r = 0; r < kTileRows; ++r) {
    const Row weights(w, row + std::min(r, rows - 1));
    for (size_t g = begin; g < end; ++g) {
      alignas(64) uint8_t rest[Row::kGroupBytes];
      const auto group = g < whole_groups ? weights.group(g) : weights.rest(g, w.cols % kGroupCols, rest);
      DecodedGroup& decoded = panel[g - begin];
      for (size_t h = 0; h < kParts; ++h) {
        Floats slices[kSlices];
        group.part(h, slices);
        for (size_t s = 0; s < kSlices; ++s)
          hn::Store(slices[s], floats, decoded.slices[s][r] + kPartLanes * h);
        if constexpr (requires { group.scale(h); })
          hn::Store(group.scale(h), floats, decoded.scales[r] + kPartLanes * h);
      }
    }
  }
}

// sums [kTileRows][kCount][lane] gain the products of `groups` groups of a panel and of a tile of tokens.
template <bool kHasScales, size_t kCount>
void add_panel(const Panel& panel, const float* HWY_RESTRICT x, size_t groups, float* HWY_RESTRICT sums) {
  const FloatTag floats;
  for (size_t h = 0; h < kParts; ++h) {
    Floats totals[kTileRows][kCount];
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        totals[r][t] = hn::Load(floats, sums + (r * kCount + t) * kDotLanes + kPartLanes * h);
    }
    for (size_t g = 0; g < groups; ++g) {
      Floats products[kTileRows][kCount];
      for (size_t s = 0; s < kSlices; ++s) {
        Floats inputs[kCount];
        for (size_t t = 0; t < kCount; ++t)
          inputs[t] = hn::Load(floats, x + ((g * kSlices + s) * kCount + t) * kDotLanes + kPartLanes * h);
        for (size_t r = 0; r < kTileRows; ++r) {
          const auto weights = hn::Load(floats, panel[g].slices[s][r] + kPartLanes * h);
          for (size_t t = 0; t < kCount; ++t) {
            products[r][t] =
                s == 0 ? hn::Mul(weights, inputs[t]) : hn::MulAdd(weights, inputs[t], products[r][t]);
          }
        }
      }
      for (size_t r = 0; r < kTileRows; ++r) {
        const auto scales = hn::Load(floats, panel[g].scales[r] + kPartLanes * h);
        for (size_t t = 0; t < kCount; ++t) {
          totals[r][t] = kHasScales ? hn::MulAdd(products[r][t], scales, totals[r][t])
                                    : hn::Add(products[r][t], totals[r][t]);
        }
      }
    }
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        hn::Store(totals[r][t], floats, sums + (r * kCount + t) * kDotLanes + kPartLanes * h);
    }
  }
}

using AddPanel = void (*)(const Panel&, const float*, size_t, float*);

template <bool kHasScales, size_t... kCounts>
AddPanel add_panel_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr AddPanel kAddPanel[] = {add_panel<kHasScales, kCounts + 1>...};
  return kAddPanel[tokens - 1];
}

// Up to kDecodedRows rows: a step of columns is decoded once and multiplied with every token.
class RowBlock {
 public:
  // `scratch`: block_floats(x.tokens).
  RowBlock(const PackedTokens& x, float* scratch)
      : x_(x), panels_(reinterpret_cast<Panel*>(scratch)), sums_(scratch + kPanelsFloats) {}

  template <class Row>
  void multiply(const WeightMatrix& w, size_t row, size_t rows, float* y, size_t y_stride) {
    std::fill_n(sums_, sums_floats(x_.tokens), 0.0F);
    const size_t groups = groups_of(w.cols);
    for (size_t begin = 0; begin < groups; begin += kStepGroups) {
      const size_t end = std::min(groups, begin + kStepGroups);
      for (size_t r = 0; r < rows; r += kTileRows)
        decode_panel<Row>(w, row + r, std::min(kTileRows, rows - r), begin, end, panels_[r / kTileRows]);
      for (size_t tile = 0; tile < tiles_of(x_.tokens); ++tile)
        add_step<weight_has_scales<Row>>(rows, tile, begin, end);
    }
    for (size_t tile = 0; tile < tiles_of(x_.tokens); ++tile)
      store(rows, tile, y + tile * kTileTokens * y_stride, y_stride);
  }

 private:
  float* sums_of(size_t tile, size_t r) const {
    return sums_ + (tile * kTileTokens * kDecodedRows + r * tokens_of_tile(x_.tokens, tile)) * kDotLanes;
  }

  template <bool kHasScales>
  void add_step(size_t rows, size_t tile, size_t begin, size_t end) {
    const size_t tokens = tokens_of_tile(x_.tokens, tile);
    const AddPanel add = add_panel_of<kHasScales>(tokens, std::make_index_sequence<kTileTokens>());
    const float* const x = packed_tile(x_, tile) + begin * kGroupCols * tokens;
    for (size_t r = 0; r < rows; r += kTileRows)
      add(panels_[r / kTileRows], x, end - begin, sums_of(tile, r));
  }

  void store(size_t rows, size_t tile, float* y, size_t y_stride) const {
    const size_t tokens = tokens_of_tile(x_.tokens, tile);
    for (size_t r = 0; r < rows; ++r) {
      const float* sums = sums_of(tile, r);
      for (size_t t = 0; t < tokens; ++t) {
        Floats parts[kParts];
        for (size_t h = 0; h < kParts; ++h)
          parts[h] = hn::Load(FloatTag(), sums + t * kDotLanes + h * kPartLanes);
        y[t * y_stride + r] = sum_of_lanes(parts);
      }
    }
  }

  const PackedTokens& x_;
  Panel* panels_;
  float* sums_;
};

void products_of_many_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x,
                             float* y, size_t y_stride) {
  thread_local ThreadScratch scratch;
  RowBlock block(x, scratch.floats(block_floats(x.tokens)));
  with_row_type(w.format, [&]<class Row> {
    for (size_t row = row_begin; row < row_end; row += kDecodedRows) {
      block.template multiply<Row>(w, row, std::min(kDecodedRows, row_end - row), y + row, y_stride);
    }
  });
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(products_of_many_tokens);
HWY_EXPORT(block_floats);

namespace {

// Every program that multiplies has this file in it.
[[maybe_unused]] const bool kCPUChoiceApplied = apply_cpu_choice();

// Of a few tokens' product, what a thread takes at once, at least: memory is read faster in long pieces,
// whose beginnings nobody announced (fetch_ahead.h). Four layers of DeepSeek-V4-Flash's width made 47
// tokens/s with 256 KB, 52 with 512 KB and 53 with 1 MB; but a Xeon lost 8 % with the last.
constexpr uint64_t kTaskBytes = 512 << 10;
// Of many tokens' product so many rows that packing the tokens is little work beside them.
constexpr size_t kRowsPerTaskOfManyTokens = 128;
// At once, so that what is packed stays small: 96 tokens of up to 8192 columns, fewer of more.
constexpr size_t kPackedTokens = 96;
constexpr size_t kPackedFloats = kPackedTokens * 8192;

size_t most_packed_tokens(size_t cols) {
  const size_t tokens = kPackedFloats / std::max<size_t>(1, packed_floats(1, cols));
  return std::clamp<size_t>(tokens, 1, kPackedTokens);
}

}  // namespace

void packed_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PackedTokens& x,
                        float* y, size_t y_stride) {
  if (x.tokens == 0) return;
  if (x.tokens <= most_matvec_tokens()) {
    matvec_rows(w, row_begin, row_end, x, y, y_stride);
  } else {
    HWY_DYNAMIC_DISPATCH(products_of_many_tokens)(w, row_begin, row_end, x, y, y_stride);
  }
}

void matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, size_t x_stride,
                 size_t tokens, float* y, size_t y_stride) {
  if (tokens == 0) return;
  const size_t most_tokens = std::min(tokens, most_packed_tokens(w.cols));
  thread_local ThreadScratch scratch;
  float* const packed = scratch.floats(packed_floats(most_tokens, w.cols));
  for (size_t first = 0; first < tokens; first += most_tokens) {
    const size_t count = std::min(most_tokens, tokens - first);
    pack_tokens(w.format, x + first * x_stride, x_stride, count, w.cols, packed);
    packed_matmul_rows(w, row_begin, row_end, {packed, count, w.cols}, y + first * y_stride, y_stride);
  }
}

size_t matmul_thread_bytes(size_t cols) {
  const size_t most_floats = std::max(kPackedFloats, packed_floats(1, cols));
  const size_t floats = std::min(packed_floats(kPackedTokens, cols), most_floats);
  return (floats + HWY_DYNAMIC_DISPATCH(block_floats)(kPackedTokens)) * sizeof(float);
}

bool packs_once(size_t tokens) {
  return tokens <= most_matvec_tokens();
}

size_t rows_per_task(const WeightMatrix& w, size_t tokens, size_t threads) {
  if (is_small_work(uint64_t{w.rows} * w.cols * tokens)) return std::max<size_t>(1, w.rows);
  const size_t share = (w.rows + threads - 1) / threads;
  if (!packs_once(tokens)) return std::clamp<size_t>(share, 1, kRowsPerTaskOfManyTokens);
  const uint64_t share_bytes = weight_values_bytes(w.format, share, w.cols);
  const size_t pieces = std::max<size_t>(1, share_bytes / kTaskBytes);
  return std::max<size_t>(1, (share + pieces - 1) / pieces);
}

void matmul(ThreadPool& pool, const WeightMatrix& w, const float* x, size_t tokens, float* y) {
  hwy::AlignedFreeUniquePtr<float[]> packed;
  if (tokens > 0 && packs_once(tokens)) {
    packed = hwy::AllocateAligned<float>(packed_floats(tokens, w.cols));
    pack_tokens(w.format, x, w.cols, tokens, w.cols, packed.get());
  }
  pool.parallel_for(w.rows, rows_per_task(w, tokens, pool.threads()), [&](size_t begin, size_t end) {
    if (packed) {
      packed_matmul_rows(w, begin, end, {packed.get(), tokens, w.cols}, y, w.rows);
    } else {
      matmul_rows(w, begin, end, x, w.cols, tokens, y, w.rows);
    }
  });
}

}  // namespace sluice
#endif  // HWY_ONCE
