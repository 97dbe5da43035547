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
inline constexpr size_t kBlockValues = 2 * kTileTokens * kPairBlockCols;  // of a tile's tokens

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

// Decodes panels of up to kRowsAtOnce rows of w from `row` on. A step's lines come in runs: the same line of
// up to sixteen rows, one row after the other, then their next one.
template <class Decoder>
class PanelDecoder {
 public:
  static constexpr size_t kRowLines = kStepBlocks / Decoder::kLineBlocks;  // of a step

  // Lines of neighbouring rows of a group. A value, so that it stays in registers.
  struct Run {
    const uint8_t* codes = nullptr;
    size_t stride_bytes = 0;
    const typename Decoder::LineScales* scales = nullptr;
    uint16_t* out = nullptr;

    HWY_INLINE void advance(size_t rows) {
      codes += rows * stride_bytes;
      scales += rows;
      out += rows * kPairBlockCols;
    }
  };

  PanelDecoder(const WeightMatrix& w, size_t row, size_t rows)
      : decoder_(w, row),
        codes_(codes_of_row<Decoder>(w, row)),
        row_bytes_(row_bytes_of<Decoder>(w)),
        rows_(rows) {}

  // What is decoded next.
  void aim(const PanelStep& step) {
    step_ = step;
    lines_ = step.blocks() / Decoder::kLineBlocks;
    group_ = 0;
    line_ = 0;
  }

  size_t lines() const { return lines_ * kPanelRows; }

  // The next line of a group's rows: kGroupRows lines. Not inlined, since it is rare.
  HWY_NOINLINE Run next_lines() {
    const size_t first = step_.panel * kPanelRows + group_ * kGroupRows;
    const size_t line = step_.begin / Decoder::kLineBlocks + line_;
    Run run = {codes_ + first * row_bytes_ + line * kLineBytes, row_bytes_, scales_,
               step_.weights + group_ * kGroupValues + line_ * Decoder::kLineBlocks * kTileValues};
    alignas(64) uint32_t offsets[kGroupRows];
    for (size_t r = 0; r < kGroupRows; ++r)
      offsets[r] = static_cast<uint32_t>(std::min(first + r, rows_ - 1) * row_bytes_);
    decoder_.line_scales(offsets, first, line, scales_);
    const size_t bytes = std::min(kLineBytes, row_bytes_ - line * kLineBytes);
    if (bytes < kLineBytes || first + kGroupRows > rows_) {
      fill_lines(offsets, line, bytes);
      run.codes = filled_;
      run.stride_bytes = kLineBytes;
    }
    if (++line_ == lines_) {
      line_ = 0;
      ++group_;
    }
    return run;
  }

  HWY_INLINE void decode(const Run& run, size_t i) {
    decoder_.decode(run.codes + i * run.stride_bytes, run.scales[i], run.out + i * kPairBlockCols);
  }

  // Where a step's codes begin in its panel's first row, and in how many bytes those of the next one do.
  const uint8_t* codes_of(const PanelStep& step) const {
    return codes_ + step.panel * kPanelRows * row_bytes_ + step.begin / Decoder::kLineBlocks * kLineBytes;
  }
  size_t row_bytes() const { return row_bytes_; }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  // Zeros behind lines that are not whole, and the last row again, whose products nobody reads, for those
  // that are missing.
  void fill_lines(const uint32_t* offsets, size_t line, size_t bytes) {
    WholeLine whole(bytes);
    for (size_t r = 0; r < kGroupRows; ++r)
      std::copy_n(whole.of(codes_ + offsets[r] + line * kLineBytes), kLineBytes, filled_ + r * kLineBytes);
  }

  Decoder decoder_;
  const uint8_t* codes_;
  size_t row_bytes_;
  size_t rows_;
  PanelStep step_{};
  size_t lines_ = 0;  // of a row
  size_t group_ = 0;  // that comes next, and its line
  size_t line_ = 0;
  alignas(64) typename Decoder::LineScales scales_[kGroupRows];
  alignas(64) uint8_t filled_[kGroupRows * kLineBytes];
};

// Tiles of tokens, two at least and at most kTilesAtOnce, as a product takes them.
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
    const size_t step_blocks = tokens.count() * kStepBlocks;
    decode_first();
    for (size_t i = 0; i < steps; ++i) {
      decoder_.aim(step_at(i + 1));
      if (step_blocks >= kPanelRows) {
        multiply_step<1>(tokens, step_at(i), step_at(i + 2));
      } else if (2 * step_blocks >= kPanelRows) {
        multiply_step<2>(tokens, step_at(i), step_at(i + 2));
      } else {
        multiply_step<4>(tokens, step_at(i), step_at(i + 2));
      }
    }
    for (size_t tile = 0; tile < tokens.count(); ++tile)
      copy_rows(tile, y + tokens.x.first_token(tokens.begin + tile) * y_stride, y_stride);
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

  void decode_first() {
    decoder_.aim(step_at(0));
    for (size_t i = 0; i < decoder_.lines(); i += kGroupRows) {
      const auto run = decoder_.next_lines();
      for (size_t r = 0; r < kGroupRows; ++r) decoder_.decode(run, r);
    }
    const uint8_t* row = decoder_.codes_of(step_at(1));
    for (size_t r = 0; r < kPanelRows; ++r, row += decoder_.row_bytes()) fetch_row(row);
  }

  // Meanwhile the next step is decoded, with each block as many lines as kRows rows have of it, and as many
  // rows of a later one are fetched. A half's sums make room for those of the next tile of tokens while the
  // other half's products are under way.
  template <size_t kRows>
  void multiply_step(const TokenTiles& tokens, const PanelStep& step, const PanelStep& later) {
    constexpr size_t kLines = kRows * PanelDecoder<Decoder>::kRowLines;
    const size_t runs = decoder_.lines() / kLines;
    const size_t row_bytes = decoder_.row_bytes();
    const uint8_t* later_row = decoder_.codes_of(later);
    typename PanelDecoder<Decoder>::Run run;
    size_t done = 0;  // blocks
    begin_sums<Half::kUpper>(step, 0);
    begin_sums<Half::kLower>(step, 0);
    for (size_t tile = 0; tile < tokens.count(); ++tile) {
      const uint16_t* x = tokens.x.line(tokens.begin + tile, tokens.first_line) + step.begin * kBlockValues;
      NextStep next(x + kStepBlocks * kBlockValues, step.panel, panels_);
      for (size_t b = 0; b < step.blocks(); ++b, ++done, x += kBlockValues) {
        const uint16_t* const weights = step.weights + b * kTileValues;
        const bool decodes = done < runs;
        if (decodes && done * kLines % kGroupRows == 0) {
          run = decoder_.next_lines();
        } else if (decodes) {
          run.advance(kLines);
        }
        const auto decode = [&](size_t product) __attribute__((always_inline)) {
          for (size_t i = product * kLines / kBlockProducts; i < (product + 1) * kLines / kBlockProducts; ++i)
            if (decodes) decoder_.decode(run, i);
        };
        load_tokens(x, kTileTokens);
        multiply_half<Half::kUpper>(weights, kGroupValues, decode);
        if (b == 0 && tile > 0) end_sums<Half::kLower>(step, tile - 1, tokens.count());
        if (b + 1 == step.blocks()) end_sums<Half::kUpper>(step, tile, tokens.count());
        multiply_half<Half::kLower>(weights, kGroupValues, decode);
        next.fetch();
        if (done < kPanelRows / kRows)
          for (size_t r = 0; r < kRows; ++r, later_row += row_bytes) fetch_row(later_row);
      }
    }
    end_sums<Half::kLower>(step, tokens.count() - 1, tokens.count());
  }

  // Fetches what a step takes of a row, all at once: a line of each row after the other keeps sums waiting
  // that are on their way to the second cache.
  static HWY_INLINE void fetch_row(const uint8_t* codes) {
    for (size_t i = 0; i < PanelDecoder<Decoder>::kRowLines; ++i)
      _mm_prefetch(reinterpret_cast<const char*>(codes + i * kLineBytes), _MM_HINT_T1);
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
    NextStep(const uint16_t* x, size_t panel, size_t panels)
        : lines_((kBlockValues * sizeof(uint16_t) / kLineBytes + panels - 1) / panels),
          at_(reinterpret_cast<const char*>(x) + panel * kStepBlocks * lines_ * kLineBytes) {}

    HWY_INLINE void fetch() {
      for (size_t i = 0; i < lines_; ++i, at_ += kLineBytes) _mm_prefetch(at_, _MM_HINT_T1);
    }

   private:
    size_t lines_;  // for each block
    const char* at_;
  };

  void copy_rows(size_t tile, float* y, size_t y_stride) const {
    for (size_t first = 0; first < rows_; first += kGroupRows) {
      const float* sums = sums_of(tile, first / kPanelRows) + first % kPanelRows / kGroupRows * kTileSums;
      copy_sums(sums, std::min(kGroupRows, rows_ - first), kTileTokens, y + row_ + first, y_stride);
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
