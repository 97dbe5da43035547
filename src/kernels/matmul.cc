#include "kernels/matmul.h"

#include <hwy/aligned_allocator.h>

#include <algorithm>
#include <cstring>

#include "kernels/matvec.h"
#include "kernels/simd_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul.cc"
#include "hwy/foreach_target.h"
// Before highway.h, which it includes.
#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// A tile of outputs has its partial sums in registers: 24 of 32, or 12 of 16.
constexpr size_t kTileRows = 4;
constexpr size_t kTileTokens = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 6 : 3;
constexpr size_t kStepBlocks = 16;  // of columns, between storing sums: 8 KB of weights and 12 KB of x, in L1
constexpr size_t kDecodedRows = 16;   // that share a panel of x while it is in L1
constexpr size_t kPackedTokens = 96;  // at most, so that what is packed stays small

constexpr size_t kStepFloats = kStepBlocks * kBlockCols;

// Activations of up to kPackedTokens tokens in lane order, groups of kTileTokens side by side:
// [group][block][even, odd][token of the group][lane].
class PackedTokens {
 public:
  PackedTokens(const float* x, size_t x_stride, size_t tokens, size_t cols)
      : tokens_(tokens),
        blocks_(blocks_of(cols)),
        floats_(hwy::AllocateAligned<float>(tokens * blocks_ * kBlockCols)) {
    for (size_t t = 0; t < tokens; ++t) pack(x + t * x_stride, cols, t);
  }

  size_t groups() const { return (tokens_ + kTileTokens - 1) / kTileTokens; }
  size_t tokens_of(size_t group) const { return std::min(kTileTokens, tokens_ - group * kTileTokens); }
  const float* at(size_t group, size_t block) const {
    return floats_.get() + (group * kTileTokens * blocks_ + tokens_of(group) * block) * kBlockCols;
  }

 private:
  void pack(const float* x, size_t cols, size_t t) {
    const size_t group = t / kTileTokens;
    const size_t step = tokens_of(group) * kDotLanes;
    float* out = floats_.get() + group * kTileTokens * blocks_ * kBlockCols + t % kTileTokens * kDotLanes;
    const size_t whole_blocks = cols / kBlockCols;
    for (size_t b = 0; b < whole_blocks; ++b) pack_block(x + b * kBlockCols, out + 2 * b * step, step);
    if (whole_blocks == blocks_) return;
    float rest[kBlockCols] = {};
    std::copy_n(x + whole_blocks * kBlockCols, cols - whole_blocks * kBlockCols, rest);
    pack_block(rest, out + 2 * whole_blocks * step, step);
  }

  static HWY_INLINE void pack_block(const float* x, float* out, size_t step) {
    for (size_t h = 0; h < kParts; ++h) {
      const Pair inputs = load_pair(x + 2 * kPartLanes * h);
      hn::Store(inputs.even, FloatTag(), out + kPartLanes * h);
      hn::Store(inputs.odd, FloatTag(), out + step + kPartLanes * h);
    }
  }

  size_t tokens_;
  size_t blocks_;
  hwy::AlignedFreeUniquePtr<float[]> floats_;
};

// Blocks [begin, end) of up to kTileRows rows into panel [block][even, odd][kTileRows][lane]. Beyond the last
// column there are zeros, beyond the last row that row again, whose sums nobody reads.
template <class Row>
void decode_panel(const WeightMatrix& w, size_t row, size_t rows, size_t begin, size_t end, float* panel) {
  const FloatTag floats;
  const size_t whole_blocks = w.cols / kBlockCols;
  for (size_t r = 0; r < kTileRows; ++r) {
    float* out = panel + r * kDotLanes;
    const Row weights(w, row + std::min(r, rows - 1));
    for (size_t b = begin; b < end; ++b, out += 2 * kTileRows * kDotLanes) {
      const uint8_t* codes = weights.codes(b);
      uint8_t rest[Row::kBlockBytes] = {};
      if (b == whole_blocks) {
        std::memcpy(rest, codes, w.cols % kBlockCols * Row::kBlockBytes / kBlockCols);
        codes = rest;
      }
      const auto block = weights.block_at(codes, b);
      for (size_t h = 0; h < kParts; ++h) {
        const Pair decoded = block.part(h);
        hn::Store(decoded.even, floats, out + kPartLanes * h);
        hn::Store(decoded.odd, floats, out + kTileRows * kDotLanes + kPartLanes * h);
      }
    }
  }
}

// sums [kTileRows][kCount][lane] gain the products of `vectors` vectors of a panel and of a group's tokens.
template <size_t kCount>
void tile(const float* HWY_RESTRICT panel, const float* HWY_RESTRICT x, size_t vectors,
          float* HWY_RESTRICT sums) {
  const FloatTag floats;
  for (size_t h = 0; h < kParts; ++h, panel += kPartLanes, x += kPartLanes, sums += kPartLanes) {
    Floats tile_sums[kTileRows][kCount];
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        tile_sums[r][t] = hn::Load(floats, sums + (r * kCount + t) * kDotLanes);
    }
    for (size_t v = 0; v < vectors; ++v) {
      Floats inputs[kCount];
      for (size_t t = 0; t < kCount; ++t) inputs[t] = hn::Load(floats, x + (v * kCount + t) * kDotLanes);
      for (size_t r = 0; r < kTileRows; ++r) {
        const auto weights = hn::Load(floats, panel + (v * kTileRows + r) * kDotLanes);
        for (size_t t = 0; t < kCount; ++t) tile_sums[r][t] = hn::MulAdd(weights, inputs[t], tile_sums[r][t]);
      }
    }
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t t = 0; t < kCount; ++t)
        hn::Store(tile_sums[r][t], floats, sums + (r * kCount + t) * kDotLanes);
    }
  }
}

using Tile = void (*)(const float*, const float*, size_t, float*);

template <size_t... kCounts>
Tile tile_of(size_t tokens, std::index_sequence<kCounts...>) {
  static constexpr Tile kTiles[] = {tile<kCounts + 1>...};
  return kTiles[tokens - 1];
}

// Up to kDecodedRows rows: a step of columns is decoded once and multiplied with every token.
class RowBlock {
 public:
  explicit RowBlock(const PackedTokens& x, size_t tokens)
      : x_(x),
        panels_(hwy::AllocateAligned<float>(kDecodedRows * kStepFloats)),
        sums_floats_(kDecodedRows * tokens * kDotLanes),
        sums_(hwy::AllocateAligned<float>(sums_floats_)) {}

  template <class Row>
  void multiply(const WeightMatrix& w, size_t row, size_t rows, float* y, size_t y_stride) {
    std::fill_n(sums_.get(), sums_floats_, 0.0F);
    const size_t blocks = blocks_of(w.cols);
    for (size_t begin = 0; begin < blocks; begin += kStepBlocks) {
      const size_t end = std::min(blocks, begin + kStepBlocks);
      for (size_t r = 0; r < rows; r += kTileRows) {
        decode_panel<Row>(w, row + r, std::min(kTileRows, rows - r), begin, end,
                          panels_.get() + r * kStepFloats);
      }
      for (size_t group = 0; group < x_.groups(); ++group) add_step(rows, group, begin, end);
    }
    for (size_t group = 0; group < x_.groups(); ++group)
      store(rows, group, y + group * kTileTokens * y_stride, y_stride);
  }

 private:
  float* sums_of(size_t group, size_t r) const {
    return sums_.get() + (group * kTileTokens * kDecodedRows + r * x_.tokens_of(group)) * kDotLanes;
  }

  void add_step(size_t rows, size_t group, size_t begin, size_t end) {
    const Tile tile = tile_of(x_.tokens_of(group), std::make_index_sequence<kTileTokens>());
    for (size_t r = 0; r < rows; r += kTileRows) {
      tile(panels_.get() + r * kStepFloats, x_.at(group, begin), 2 * (end - begin), sums_of(group, r));
    }
  }

  void store(size_t rows, size_t group, float* y, size_t y_stride) const {
    const size_t tokens = x_.tokens_of(group);
    for (size_t r = 0; r < rows; ++r) {
      const float* sums = sums_of(group, r);
      for (size_t t = 0; t < tokens; ++t) {
        Floats parts[kParts];
        for (size_t h = 0; h < kParts; ++h)
          parts[h] = hn::Load(FloatTag(), sums + t * kDotLanes + h * kPartLanes);
        y[t * y_stride + r] = sum_of_lanes(parts);
      }
    }
  }

  const PackedTokens& x_;
  hwy::AlignedFreeUniquePtr<float[]> panels_;
  size_t sums_floats_;
  hwy::AlignedFreeUniquePtr<float[]> sums_;
};

void product_with_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x,
                         size_t x_stride, size_t tokens, float* y, size_t y_stride) {
  for (size_t first = 0; first < tokens; first += kPackedTokens) {
    const size_t count = std::min(kPackedTokens, tokens - first);
    const PackedTokens packed(x + first * x_stride, x_stride, count, w.cols);
    RowBlock block(packed, count);
    with_row_type(w.format, [&]<class Row> {
      for (size_t row = row_begin; row < row_end; row += kDecodedRows) {
        block.template multiply<Row>(w, row, std::min(kDecodedRows, row_end - row),
                                     y + first * y_stride + row, y_stride);
      }
    });
  }
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(product_with_tokens);

namespace {

// Every program that multiplies has this file in it.
[[maybe_unused]] const bool kCPUChoiceApplied = apply_cpu_choice();

// What a thread takes at once. With many tokens so many that packing them is little work beside it.
constexpr size_t kRowsPerTask = 32;
constexpr size_t kRowsPerTaskOfManyTokens = 128;
// Multiply-adds: about 10 µs of one thread, ten times what entering a region with spinning workers takes.
constexpr size_t kSmallProduct = size_t{1} << 18;

}  // namespace

void matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, size_t x_stride,
                 size_t tokens, float* y, size_t y_stride) {
  if (tokens <= most_matvec_tokens() && w.cols % kBlockCols == 0) {
    matvec_rows(w, row_begin, row_end, x, x_stride, tokens, y, y_stride);
  } else {
    HWY_DYNAMIC_DISPATCH(product_with_tokens)(w, row_begin, row_end, x, x_stride, tokens, y, y_stride);
  }
}

size_t rows_per_task(const WeightMatrix& w, size_t tokens, size_t threads) {
  const bool is_small = size_t{w.rows} * w.cols * tokens <= kSmallProduct;
  if (is_small) return std::max<size_t>(1, w.rows);
  const size_t share = (w.rows + threads - 1) / threads;
  return std::clamp<size_t>(share, 1, tokens < 8 ? kRowsPerTask : kRowsPerTaskOfManyTokens);
}

void matmul(ThreadPool& pool, const WeightMatrix& w, const float* x, size_t tokens, float* y) {
  pool.parallel_for(w.rows, rows_per_task(w, tokens, pool.threads()), [&](size_t begin, size_t end) {
    matmul_rows(w, begin, end, x, w.cols, tokens, y, w.rows);
  });
}

void matmul_together(ThreadPool& pool, std::span<const RowsProduct> products, size_t tokens) {
  struct Task {
    const RowsProduct* product;
    size_t begin, end;
  };
  std::vector<Task> tasks;
  for (const RowsProduct& product : products) {
    const size_t rows = rows_per_task(product.w, tokens, pool.threads());
    for (size_t begin = product.row_begin; begin < product.row_end; begin += rows)
      tasks.push_back({&product, begin, std::min(begin + rows, product.row_end)});
  }
  pool.parallel_for(tasks.size(), 1, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      const RowsProduct& product = *tasks[i].product;
      matmul_rows(product.w, tasks[i].begin, tasks[i].end, product.x, product.x_stride, tokens, product.y,
                  product.y_stride);
    }
  });
}

}  // namespace sluice
#endif  // HWY_ONCE
