// Products of up to a tile of tokens by tiles: weights are decoded once and met once, so that what counts is
// to read them as fast as memory gives them. Included inside of what has intrinsics alone.
#pragma once

#include "kernels/amx_tiles-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_TILE_TARGET)
namespace sluice {
namespace {

// Panels of kPanelRows rows, one after the other, a column of lines at a time: while one is multiplied, the
// next is decoded, and lines that are decoded later are fetched into the second cache, by chunks of rows:
// memory is read faster the more lines lie one behind the other, and the fewer have to be there before
// the first product, the sooner it begins.
template <class Decoder>
class RowStream {
 public:
  // Rows [begin, end) of w.
  RowStream(const WeightMatrix& w, size_t begin, size_t end, const PairedTokens& x, size_t first_line)
      : decoder_(w, begin),
        begin_(begin),
        rows_(end - begin),
        row_bytes_(row_bytes_of<Decoder>(w)),
        lines_((row_bytes_ + kLineBytes - 1) / kLineBytes),
        codes_(codes_of_row<Decoder>(w, begin)),
        x_(x),
        first_line_(first_line) {}

  // y[t * y_stride + r] of all rows.
  void multiply(float* y, size_t y_stride) {
    for (size_t l = 0; l < kChunkLines; ++l) {
      aim_fetch(0, 0, l);
      for (size_t i = 0; i < kPanelRows; ++i) fetch_line(i);
    }
    for (size_t first = 0; first < rows_; first += kPanelRows) {
      multiply_panel(first);
      const size_t rows = std::min(kPanelRows, rows_ - first);
      for (size_t r = 0; r < rows; r += kGroupRows)
        copy_sums(sums_ + r * kTileTokens, std::min(kGroupRows, rows - r), x_.tile_tokens(),
                  y + begin_ + first + r, y_stride);
    }
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  static constexpr size_t kBlocks = Decoder::kLineBlocks;
  static constexpr size_t kGroupValues = kBlocks * kTileValues;
  // Lines that are decoded after each product, none of which is of two groups.
  static constexpr size_t kLinesAtOnce = kPanelRows / (kBlocks * kBlockProducts);
  static constexpr size_t kChunkLines = 4;
  static constexpr size_t kFetchedRows = kPanelRows / kChunkLines;  // while a column of lines is decoded

  void multiply_panel(size_t first) {
    first_ = first;
    for (size_t r = 0; r < kPanelRows; ++r)
      offsets_[r] = static_cast<uint32_t>(std::min(first + r, rows_ - 1) * row_bytes_);
    begin_column(0);
    for (size_t r = 0; r < kPanelRows; r += kLinesAtOnce) decode_lines(r);
    clear_sums<Half::kUpper>();
    clear_sums<Half::kLower>();
    for (size_t l = 0; l + 1 < lines_; ++l) {
      begin_column(l + 1);
      size_t row = 0;
      multiply_column(
          l, [&](size_t /*product*/) __attribute__((always_inline)) {
            decode_lines(row);
            row += kLinesAtOnce;
          });
    }
    multiply_column(lines_ - 1, [](size_t /*product*/) {});
    store_sums<Half::kUpper>(sums_);
    store_sums<Half::kLower>(sums_);
  }

  // The l-th lines of rows are what is decoded next, and the next chunk what is fetched meanwhile: of the
  // next panel in the end, and behind the last one what is here already.
  void begin_column(size_t l) {
    for (size_t r = 0; r < kPanelRows; r += kGroupRows)
      decoder_.line_scales(offsets_ + r, first_ + r, l, scales_ + r);
    line_ = l;
    whole_ = WholeLine(row_bytes_ - l * kLineBytes);
    const size_t next_chunk = l / kChunkLines + 1;
    if (next_chunk * kChunkLines < lines_) {
      aim_fetch(first_, next_chunk, l % kChunkLines);
    } else {
      aim_fetch(first_ + kPanelRows < rows_ ? first_ + kPanelRows : first_, 0, l % kChunkLines);
    }
  }

  // Of kLinesAtOnce rows from `row` on.
  HWY_INLINE void decode_lines(size_t row) {
    const uint8_t* const codes = codes_ + line_ * kLineBytes;
    uint16_t* const out =
        tiles_[line_ % 2] + row / kGroupRows * kGroupValues + row % kGroupRows * kPairBlockCols;
    for (size_t i = 0; i < kLinesAtOnce; ++i) {
      decoder_.decode(whole_.of(codes + offsets_[row + i]), scales_[row + i], out + i * kPairBlockCols);
      fetch_line(row + i);
    }
  }

  // Of a panel's chunk the share that comes while the part-th column of lines is decoded.
  void aim_fetch(size_t first, size_t chunk, size_t part) {
    fetch_ = codes_ + (first + part * kFetchedRows) * row_bytes_ + chunk * kChunkLines * kLineBytes;
  }

  // The i-th line of kPanelRows that make a share.
  HWY_INLINE void fetch_line(size_t i) const {
    const uint8_t* const line = fetch_ + i / kChunkLines * row_bytes_ + i % kChunkLines * kLineBytes;
    _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T1);
  }

  template <class Meanwhile>
  HWY_INLINE void multiply_column(size_t l, const Meanwhile& meanwhile) {
    const uint16_t* x = x_.line(0, first_line_ + l);
    const uint16_t* weights = tiles_[l % 2];
    for (size_t b = 0; b < kBlocks; ++b, x += x_.block_values(), weights += kTileValues) {
      load_tokens(x, x_.tile_tokens());
      multiply_half<Half::kUpper>(weights, kGroupValues, meanwhile);
      multiply_half<Half::kLower>(weights, kGroupValues, meanwhile);
    }
  }

  Decoder decoder_;
  size_t begin_;
  size_t rows_;
  size_t row_bytes_;
  size_t lines_;
  const uint8_t* codes_;
  const PairedTokens& x_;
  size_t first_line_;
  size_t first_ = 0;  // of the panel
  size_t line_ = 0;
  WholeLine whole_;
  const uint8_t* fetch_ = nullptr;
  alignas(64) uint32_t offsets_[kPanelRows];
  alignas(64) typename Decoder::LineScales scales_[kPanelRows];
  alignas(64) uint16_t tiles_[2][kGroups * kGroupValues];  // of a line: [group][block][row][pair]
  alignas(64) float sums_[kGroups * kTileSums];
};

}  // namespace
}  // namespace sluice
HWY_POP_ATTRIBUTES
