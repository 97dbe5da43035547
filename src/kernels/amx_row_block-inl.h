// Products of many tokens by tiles: what is decoded of weights is met by all of them while it is in a cache.
// Included inside of what has intrinsics alone.
#pragma once

#include <hwy/aligned_allocator.h>

#include "kernels/amx_tiles-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_TILE_TARGET)
namespace sluice {
namespace {

inline constexpr size_t kStepBlocks = 8;  // of columns, between storing sums: a panel of 32 KB
inline constexpr size_t kGroupValues = kStepBlocks * kTileValues;
inline constexpr size_t kPanelValues = kGroups * kGroupValues;
inline constexpr size_t kPanels = 16;  // that share a step of x while it is in L2
inline constexpr size_t kRowsAtOnce = kPanels * kPanelRows;
inline constexpr size_t kTilesAtOnce = 8;  // of tokens, so that their sums and a step of them are in L2

// What a thread keeps for its products.
struct BlockScratch {
  // Two panels: [group][block of the step][row of the group][pair][first, second]
  hwy::AlignedFreeUniquePtr<uint16_t[]> panels = hwy::AllocateAligned<uint16_t>(2 * kPanelValues);
  // [tile of tokens][panel][group][row of the group][token]
  hwy::AlignedFreeUniquePtr<float[]> sums =
      hwy::AllocateAligned<float>(kTilesAtOnce * kRowsAtOnce * kTileTokens);
};

inline constexpr size_t kBlockScratchBytes =
    2 * kPanelValues * sizeof(uint16_t) + kTilesAtOnce * kRowsAtOnce * kTileTokens * sizeof(float);

// A panel's step of columns.
struct PanelStep {
  size_t panel;
  size_t begin, end;  // blocks
  uint16_t* weights;  // decoded: a panel of BlockScratch

  size_t blocks() const { return end - begin; }
};

// Decodes panels of up to kRowsAtOnce rows of w from `row` on, a row's line at a time.
template <class Decoder>
class PanelDecoder {
 public:
  PanelDecoder(const WeightMatrix& w, size_t row, size_t rows)
      : decoder_(w, row), codes_(codes_of_row<Decoder>(w, row)), row_bytes_(row_bytes_of<Decoder>(w)) {
    find_rows<Decoder>(w, rows, (rows + kPanelRows - 1) / kPanelRows * kPanelRows, offsets_);
  }

  // How many lines a step has.
  static size_t lines_of(const PanelStep& step) { return step.blocks() / Decoder::kLineBlocks * kPanelRows; }

  // What is decoded next. Meanwhile `later` is fetched.
  void aim(const PanelStep& step, const PanelStep& later) {
    step_ = step;
    line_ = step.begin / Decoder::kLineBlocks;
    group_ = 0;
    ahead_bytes_ = later.panel * kPanelRows * row_bytes_ + later.begin / Decoder::kLineBlocks * kLineBytes -
                   (step.panel * kPanelRows * row_bytes_ + line_ * kLineBytes);
    if (step.blocks() > 0) begin_lines();
  }

  HWY_INLINE void decode_line() {
    const uint8_t* const codes = line_codes_ + line_offsets_[row_];
    _mm_prefetch(reinterpret_cast<const char*>(codes + ahead_bytes_), _MM_HINT_T1);
    decoder_.decode(whole_.of(codes), scales_[row_], out_ + row_ * kPairBlockCols);
    if (++row_ == kGroupRows) next_lines();
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  // The same line of sixteen rows. Not inlined, so that decode_line() is.
  HWY_NOINLINE void begin_lines() {
    const size_t first = step_.panel * kPanelRows + group_ * kGroupRows;
    row_ = 0;
    line_codes_ = codes_ + line_ * kLineBytes;
    line_offsets_ = offsets_ + first;
    whole_ = WholeLine(row_bytes_ - line_ * kLineBytes);
    out_ = step_.weights + group_ * kGroupValues + (line_ * Decoder::kLineBlocks - step_.begin) * kTileValues;
    decoder_.line_scales(line_offsets_, first, line_, scales_);
  }

  HWY_NOINLINE void next_lines() {
    if (++line_ * Decoder::kLineBlocks == step_.end) {
      line_ = step_.begin / Decoder::kLineBlocks;
      ++group_;
    }
    if (group_ < kGroups) begin_lines();
  }

  Decoder decoder_;
  const uint8_t* codes_;
  size_t row_bytes_;
  PanelStep step_{};
  size_t line_ = 0;
  size_t group_ = 0;
  size_t row_ = 0;  // of the group
  size_t ahead_bytes_ = 0;
  const uint8_t* line_codes_ = nullptr;
  const uint32_t* line_offsets_ = nullptr;
  WholeLine whole_;
  uint16_t* out_ = nullptr;
  alignas(64) typename Decoder::LineScales scales_[kGroupRows];
  alignas(64) uint32_t offsets_[kRowsAtOnce];
};

// Tiles of tokens, at most kTilesAtOnce, as a product takes them.
struct TokenTiles {
  const PairedTokens& x;
  size_t first_line;
  size_t begin, end;

  size_t count() const { return end - begin; }
};

// Up to kRowsAtOnce rows of w from `row` on: a step of a panel's columns is decoded once and multiplied with
// every token, and the next one is decoded meanwhile.
template <class Decoder>
class RowBlock {
 public:
  RowBlock(const WeightMatrix& w, size_t row, size_t rows, BlockScratch& scratch)
      : decoder_(w, row, rows),
        blocks_((row_bytes_of<Decoder>(w) + kLineBytes - 1) / kLineBytes * Decoder::kLineBlocks),
        row_(row),
        rows_(rows),
        panels_((rows + kPanelRows - 1) / kPanelRows),
        scratch_(scratch) {}

  void multiply(const TokenTiles& tokens, float* y, size_t y_stride) {
    const size_t steps = (blocks_ + kStepBlocks - 1) / kStepBlocks * panels_;
    decoder_.aim(step_at(0), step_at(1));
    for (size_t i = 0; i < decoder_.lines_of(step_at(0)); ++i) decoder_.decode_line();
    for (size_t i = 0; i < steps; ++i) {
      decoder_.aim(step_at(i + 1), step_at(i + 2));
      multiply_step(tokens, step_at(i), decoder_.lines_of(step_at(i + 1)));
    }
    for (size_t tile = 0; tile < tokens.count(); ++tile)
      copy_rows(tile, tokens.x.tile_tokens(), y + tokens.x.first_token(tokens.begin + tile) * y_stride,
                y_stride);
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  // Panels of one step, then of the next; beyond the last, those of the rows below, without any blocks.
  PanelStep step_at(size_t i) const {
    uint16_t* const weights = scratch_.panels.get() + i % 2 * kPanelValues;
    const size_t begin = i / panels_ * kStepBlocks;
    if (begin < blocks_) return {i % panels_, begin, std::min(begin + kStepBlocks, blocks_), weights};
    return {panels_ + i % panels_, 0, 0, weights};
  }

  float* sums_of(size_t tile, size_t panel) const {
    return scratch_.sums.get() + (tile * kPanels + panel) * kGroups * kTileSums;
  }

  // The lines of weights that are to be decoded are spread over the products with all tokens. A half's sums
  // make room for those of the next tile of tokens while the other half's products are under way.
  void multiply_step(const TokenTiles& tokens, const PanelStep& step, size_t lines) {
    const size_t block_values = tokens.x.block_values();
    const size_t products = tokens.count() * step.blocks() * kBlockProducts;
    size_t due = products - 1;  // lines, times products
    const auto decode = [&]() __attribute__((always_inline)) {
      for (due += lines; due >= products; due -= products) decoder_.decode_line();
    };
    begin_sums<Half::kUpper>(step, 0);
    begin_sums<Half::kLower>(step, 0);
    for (size_t tile = 0; tile < tokens.count(); ++tile) {
      const uint16_t* x = tokens.x.line(tokens.begin + tile, tokens.first_line) + step.begin * block_values;
      NextStep next(x + kStepBlocks * block_values, block_values, step.panel, panels_);
      for (size_t b = 0; b < step.blocks(); ++b, x += block_values) {
        const uint16_t* const weights = step.weights + b * kTileValues;
        load_tokens(x, tokens.x.tile_tokens());
        multiply_half<Half::kUpper>(weights, kGroupValues, decode);
        if (b == 0 && tile > 0) end_sums<Half::kLower>(step, tile - 1, tokens.count());
        if (b + 1 == step.blocks()) end_sums<Half::kUpper>(step, tile, tokens.count());
        multiply_half<Half::kLower>(weights, kGroupValues, decode);
        next.fetch();
      }
    }
    end_sums<Half::kLower>(step, tokens.count() - 1, tokens.count());
  }

  template <Half kHalf>
  HWY_INLINE void begin_sums(const PanelStep& step, size_t tile) const {
    if (step.begin == 0) {
      clear_sums<kHalf>();
    } else {
      load_sums<kHalf>(sums_of(tile, step.panel));
    }
  }

  // Of a tile of tokens, behind which the next one's begin if there is one.
  template <Half kHalf>
  HWY_INLINE void end_sums(const PanelStep& step, size_t tile, size_t tiles) const {
    store_sums<kHalf>(sums_of(tile, step.panel));
    if (tile + 1 < tiles) begin_sums<kHalf>(step, tile + 1);
  }

  // Fetches a panel's share of what the next step takes of a tile of tokens: x as a whole is larger than L2.
  class NextStep {
   public:
    NextStep(const uint16_t* x, size_t block_values, size_t panel, size_t panels)
        : lines_((block_values * sizeof(uint16_t) / kLineBytes + panels - 1) / panels),
          at_(reinterpret_cast<const char*>(x) + panel * kStepBlocks * lines_ * kLineBytes) {}

    HWY_INLINE void fetch() {
      for (size_t i = 0; i < lines_; ++i, at_ += kLineBytes) _mm_prefetch(at_, _MM_HINT_T1);
    }

   private:
    size_t lines_;  // for each block
    const char* at_;
  };

  void copy_rows(size_t tile, size_t tokens, float* y, size_t y_stride) const {
    for (size_t first = 0; first < rows_; first += kGroupRows) {
      const float* sums = sums_of(tile, first / kPanelRows) + first % kPanelRows / kGroupRows * kTileSums;
      copy_sums(sums, std::min(kGroupRows, rows_ - first), tokens, y + row_ + first, y_stride);
    }
  }

  PanelDecoder<Decoder> decoder_;
  size_t blocks_;
  size_t row_;
  size_t rows_;
  size_t panels_;
  BlockScratch& scratch_;
};

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
