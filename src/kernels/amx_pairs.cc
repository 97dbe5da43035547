#include "kernels/amx_pairs.h"

#include <hwy/aligned_allocator.h>
#include <hwy/base.h>

#include "kernels/avx512_pairs.h"

#if HWY_ARCH_X86_64
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/pair_decoders-inl.h"

HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16," SLUICE_PAIR_TARGET)
namespace sluice {
namespace {

constexpr size_t kTileValues = kGroupRows * kPairBlockCols;  // bf16 values of a tile of weights: 1 KB
constexpr size_t kTileSums = kGroupRows * kTileTokens;
constexpr size_t kGroups = 4;  // tiles of rows that are multiplied side by side
constexpr size_t kPanelRows = kGroups * kGroupRows;
constexpr size_t kStepBlocks = 8;  // of columns, between storing sums: a panel of 32 KB
constexpr size_t kGroupValues = kStepBlocks * kTileValues;
constexpr size_t kPanelValues = kGroups * kGroupValues;
constexpr size_t kPanels = 8;  // that share a step of x while it is in L2
constexpr size_t kRowsAtOnce = kPanels * kPanelRows;
constexpr size_t kTilesAtOnce = 8;  // of tokens, so that their sums and a step of them are in L2

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

inline void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

inline void load_sums(const float* sums) {
  compiler_barrier();
  _tile_stream_loadd(0, sums, 64);
  _tile_stream_loadd(1, sums + kTileSums, 64);
  _tile_stream_loadd(2, sums + 2 * kTileSums, 64);
  _tile_stream_loadd(3, sums + 3 * kTileSums, 64);
}

inline void store_sums(float* sums) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kTileSums, 64);
  _tile_stored(2, sums + 2 * kTileSums, 64);
  _tile_stored(3, sums + 3 * kTileSums, 64);
}

// Sums gain the products of a block of a panel and of a tile of tokens: with hi, then with lo. After each of
// these products something else is done, while tiles are busy: a little at a time, or they wait for what they
// load next.
constexpr size_t kBlockProducts = 8;

template <class Meanwhile>
HWY_INLINE void multiply_block(const uint16_t* weights, const uint16_t* x, size_t tokens,
                               const Meanwhile& meanwhile) {
  const size_t row_bytes = 2 * tokens * sizeof(uint16_t);
  compiler_barrier();
  _tile_stream_loadd(4, x, row_bytes);
  _tile_stream_loadd(5, x + tokens * kPairBlockCols, row_bytes);
  _tile_loadd(6, weights, 64);
  _tile_dpbf16ps(0, 6, 4);
  meanwhile();
  _tile_loadd(7, weights + kGroupValues, 64);
  _tile_dpbf16ps(1, 7, 4);
  meanwhile();
  _tile_dpbf16ps(0, 6, 5);
  meanwhile();
  _tile_dpbf16ps(1, 7, 5);
  meanwhile();
  _tile_loadd(6, weights + 2 * kGroupValues, 64);
  _tile_dpbf16ps(2, 6, 4);
  meanwhile();
  _tile_loadd(7, weights + 3 * kGroupValues, 64);
  _tile_dpbf16ps(3, 7, 4);
  meanwhile();
  _tile_dpbf16ps(2, 6, 5);
  meanwhile();
  _tile_dpbf16ps(3, 7, 5);
  meanwhile();
}

// What a thread keeps for its products.
struct Scratch {
  // Two panels: [group][block of the step][row of the group][pair][first, second]
  hwy::AlignedFreeUniquePtr<uint16_t[]> panels = hwy::AllocateAligned<uint16_t>(2 * kPanelValues);
  // [tile of tokens][panel][group][row of the group][token]
  hwy::AlignedFreeUniquePtr<float[]> sums =
      hwy::AllocateAligned<float>(kTilesAtOnce * kRowsAtOnce * kTileTokens);
};

constexpr size_t kScratchBytes =
    2 * kPanelValues * sizeof(uint16_t) + kTilesAtOnce * kRowsAtOnce * kTileTokens * sizeof(float);

// A panel's step of columns.
struct PanelStep {
  size_t panel;
  size_t begin, end;  // blocks
  uint16_t* weights;  // decoded: a panel of Scratch

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
    const __m512i z =
        HWY_LIKELY(is_whole_) ? _mm512_loadu_si512(codes) : _mm512_maskz_loadu_epi8(mask_, codes);
    _mm_prefetch(reinterpret_cast<const char*>(codes + ahead_bytes_), _MM_HINT_T1);
    uint16_t* const out = out_ + row_ * kPairBlockCols;
    decoder_.decode(z, decoder_.by_columns(scales_[row_]),
                    [out](size_t b, __m512i pairs) { _mm512_store_si512(out + b * kTileValues, pairs); });
    if (++row_ == kGroupRows) next_lines();
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  // The same line of sixteen rows.
  void begin_lines() {
    const size_t first = step_.panel * kPanelRows + group_ * kGroupRows;
    row_ = 0;
    line_codes_ = codes_ + line_ * kLineBytes;
    line_offsets_ = offsets_ + first;
    is_whole_ = (line_ + 1) * kLineBytes <= row_bytes_;
    if (!is_whole_) mask_ = line_mask(row_bytes_ - line_ * kLineBytes);
    out_ = step_.weights + group_ * kGroupValues + (line_ * Decoder::kLineBlocks - step_.begin) * kTileValues;
    _mm512_store_si512(scales_, decoder_.line_scales(line_offsets_, first, line_));
  }

  void next_lines() {
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
  bool is_whole_ = true;
  __mmask64 mask_ = 0;
  uint16_t* out_ = nullptr;
  alignas(64) uint32_t scales_[kGroupRows];
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
  RowBlock(const WeightMatrix& w, size_t row, size_t rows, Scratch& scratch)
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
      copy_sums(tile, tokens.x.tile_tokens(), y + tokens.x.first_token(tokens.begin + tile) * y_stride,
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

  // The lines of weights that are to be decoded are spread over the products with all tokens.
  void multiply_step(const TokenTiles& tokens, const PanelStep& step, size_t lines) {
    const size_t block_values = tokens.x.block_values();
    const size_t products = tokens.count() * step.blocks() * kBlockProducts;
    size_t due = products - 1;  // lines, times products
    const auto decode = [&] {
      for (due += lines; due >= products; due -= products) decoder_.decode_line();
    };
    for (size_t tile = 0; tile < tokens.count(); ++tile) {
      const uint16_t* x = tokens.x.line(tokens.begin + tile, tokens.first_line) + step.begin * block_values;
      NextStep next(x + kStepBlocks * block_values, block_values, step.panel, panels_);
      float* const sums = sums_of(tile, step.panel);
      if (step.begin == 0) {
        clear_sums();
      } else {
        load_sums(sums);
      }
      for (size_t b = 0; b < step.blocks(); ++b) {
        multiply_block(step.weights + b * kTileValues, x, tokens.x.tile_tokens(), decode);
        x += block_values;
        next.fetch();
      }
      store_sums(sums);
    }
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

  void copy_sums(size_t tile, size_t tokens, float* y, size_t y_stride) const {
    for (size_t first = 0; first < rows_; first += kGroupRows) {
      const float* sums = sums_of(tile, first / kPanelRows) + first % kPanelRows / kGroupRows * kTileSums;
      __m512i columns[kGroupRows];
      for (size_t r = 0; r < kGroupRows; ++r) columns[r] = _mm512_load_si512(sums + r * kTileTokens);
      transpose(columns);
      const auto mask = static_cast<__mmask16>((1U << std::min(kGroupRows, rows_ - first)) - 1);
      for (size_t t = 0; t < tokens; ++t)
        _mm512_mask_storeu_epi32(y + t * y_stride + row_ + first, mask, columns[t]);
    }
  }

  PanelDecoder<Decoder> decoder_;
  size_t blocks_;
  size_t row_;
  size_t rows_;
  size_t panels_;
  Scratch& scratch_;
};

template <class Decoder>
bool multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                   size_t first_line, float* y, size_t y_stride) {
  thread_local Scratch scratch;
  const TileConfig config(x.tile_tokens());
  const size_t rows_at_once = x.tiles() == 1 ? kPanelRows : kRowsAtOnce;
  bool is_right = true;
  for (size_t row = row_begin; row < row_end; row += rows_at_once) {
    RowBlock<Decoder> block(w, row, std::min(rows_at_once, row_end - row), scratch);
    for (size_t tile = 0; tile < x.tiles(); tile += kTilesAtOnce)
      block.multiply({x, first_line, tile, std::min(tile + kTilesAtOnce, x.tiles())}, y, y_stride);
    is_right &= !block.has_met_nan();
  }
  return is_right;
}

}  // namespace

void amx_pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_line, float* y, size_t y_stride) {
  if (row_begin >= row_end) return;
  const bool is_right = are_scales_usual(w, row_begin, row_end) && with_decoder(w.format, [&]<class Decoder> {
                          return multiply_rows<Decoder>(w, row_begin, row_end, x, first_line, y, y_stride);
                        });
  if (!is_right) pair_matmul_rows(w, row_begin, row_end, x, first_line, y, y_stride);
}

}  // namespace sluice
HWY_POP_ATTRIBUTES

namespace sluice {
namespace {

bool ask_for_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kBF16Tiles = 1U << 22;
  constexpr unsigned kTiles = 1U << 24;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kBF16Tiles) == 0 || (d & kTiles) == 0 || !has_avx512_bf16()) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool has_amx() {
  static const bool has = ask_for_tiles();
  return has;
}

size_t amx_thread_bytes() {
  return kScratchBytes;
}

}  // namespace sluice

#else

namespace sluice {

bool has_amx() {
  return false;
}

size_t amx_thread_bytes() {
  return 0;
}

void amx_pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_line, float* y, size_t y_stride) {
  pair_matmul_rows(w, row_begin, row_end, x, first_line, y, y_stride);
}

}  // namespace sluice

#endif
