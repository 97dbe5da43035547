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
constexpr size_t kPanels = 8;      // that share a step of x while it is in L2
constexpr size_t kRowsAtOnce = kPanels * kPanelRows;
constexpr size_t kTilesAtOnce = 8;  // of tokens, so that their sums and a step of them are in L2

// The intrinsics do not tell the compiler what they read: what was written before has to be in memory.
inline void compiler_barrier() {
  __asm__ volatile("" ::: "memory");
}

// The tile registers: sums in 0 ... 3, x in 4 and 5, of `tokens` rows; weights in 6 and 7. Until the end of
// the scope.
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
      config.row_bytes[i] = 64;
      config.rows[i] = static_cast<uint8_t>(i < 6 ? tokens : kGroupRows);
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

// Sums gain the products of a block of a panel and of a tile of tokens: with hi, then with lo.
inline void multiply_block(const uint16_t* weights, const uint16_t* x, size_t tokens) {
  compiler_barrier();
  _tile_stream_loadd(4, x, 64);
  _tile_stream_loadd(5, x + tokens * kPairBlockCols, 64);
  _tile_loadd(6, weights, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, weights + kTileValues, 64);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(0, 5, 6);
  _tile_dpbf16ps(1, 5, 7);
  _tile_loadd(6, weights + 2 * kTileValues, 64);
  _tile_dpbf16ps(2, 4, 6);
  _tile_loadd(7, weights + 3 * kTileValues, 64);
  _tile_dpbf16ps(3, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// What a thread keeps for its products.
struct Scratch {
  // Two panels: [block of the step][group][pair][row of the group][first, second]
  hwy::AlignedFreeUniquePtr<uint16_t[]> panels =
      hwy::AllocateAligned<uint16_t>(2 * kStepBlocks * kGroups * kTileValues);
  // [tile of tokens][panel][group][token][row of the group]
  hwy::AlignedFreeUniquePtr<float[]> sums =
      hwy::AllocateAligned<float>(kTilesAtOnce * kRowsAtOnce * kTileTokens);
};

// A panel's step of columns.
struct PanelStep {
  size_t panel;
  size_t begin, end;  // blocks
  uint16_t* weights;  // decoded: a panel of Scratch

  size_t blocks() const { return end - begin; }
};

// Decodes panels of up to kRowsAtOnce rows of w from `row` on, a tile at a time.
template <class Decoder>
class PanelDecoder {
 public:
  PanelDecoder(const WeightMatrix& w, size_t row, size_t rows)
      : decoder_(w, row), codes_(codes_of_row<Decoder>(w, row)), blocks_(w.cols / kPairBlockCols) {
    const size_t panels = (rows + kPanelRows - 1) / kPanelRows;
    // The next step of the same rows; the next rows where these are read to their ends.
    ahead_bytes_ = Decoder::kBlockBytes * (panels > 1 ? kStepBlocks : blocks_ * kPanelRows);
    find_rows<Decoder>(w, rows, panels * kPanelRows, offsets_);
  }

  // What is decoded next, in step.blocks() * kGroups tiles.
  void aim(const PanelStep& step) {
    step_ = step;
    block_ = step.begin;
    group_ = 0;
    tiles_ = 0;
  }

  // Of the step, so far.
  size_t tiles() const { return tiles_; }

  HWY_INLINE void decode_tile() {
    constexpr size_t kLineBlocks = kLineBytes / Decoder::kBlockBytes;
    const size_t i = (block_ - step_.begin) % kLineBlocks;
    if (i == 0) fetch_lines();
    uint16_t* const out = step_.weights + ((block_ - step_.begin) * kGroups + group_) * kTileValues;
    decoder_.decode(lines_, i, scales_,
                    [out](size_t m, __m512i pair) { _mm512_store_si512(out + m * 2 * kGroupRows, pair); });
    ++tiles_;
    if (++block_ < step_.end) return;
    block_ = step_.begin;
    ++group_;
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  HWY_INLINE void fetch_lines() {
    const size_t first = step_.panel * kPanelRows + group_ * kGroupRows;
    const uint32_t* const offsets = offsets_ + first;
    const uint8_t* const codes = codes_ + block_ * Decoder::kBlockBytes;
    lines_.load(codes, offsets, (blocks_ - block_) * Decoder::kBlockBytes);
    for (size_t r = 0; r < kGroupRows; ++r)
      _mm_prefetch(reinterpret_cast<const char*>(codes + offsets[r] + ahead_bytes_), _MM_HINT_T1);
    scales_ = decoder_.line_scales(offsets, first, block_);
  }

  Decoder decoder_;
  const uint8_t* codes_;
  size_t blocks_;
  size_t ahead_bytes_ = 0;
  PanelStep step_{};
  size_t block_ = 0;
  size_t group_ = 0;
  size_t tiles_ = 0;
  __m512i scales_ = _mm512_setzero_si512();
  Lines lines_;
  alignas(64) uint32_t offsets_[kRowsAtOnce];
};

// Tiles of tokens, at most kTilesAtOnce, as a product takes them.
struct TokenTiles {
  const PairedTokens& x;
  size_t first_block;
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
        blocks_(w.cols / kPairBlockCols),
        row_(row),
        rows_(rows),
        panels_((rows + kPanelRows - 1) / kPanelRows),
        scratch_(scratch) {}

  void multiply(const TokenTiles& tokens, float* y, size_t y_stride) {
    const size_t steps = (blocks_ + kStepBlocks - 1) / kStepBlocks * panels_;
    decoder_.aim(step_at(0));
    decode_until(step_at(0).blocks() * kGroups);
    for (size_t i = 0; i < steps; ++i) {
      decoder_.aim(step_at(i + 1));
      multiply_step(tokens, step_at(i), step_at(i + 1).blocks() * kGroups);
    }
    for (size_t tile = 0; tile < tokens.count(); ++tile)
      copy_sums(tile, tokens.x.tile_tokens(), y + tokens.x.first_token(tokens.begin + tile) * y_stride,
                y_stride);
  }

  bool has_met_nan() const { return decoder_.has_met_nan(); }

 private:
  // Panels of one step, then of the next; without any blocks beyond the last.
  PanelStep step_at(size_t i) const {
    const size_t begin = std::min(i / panels_ * kStepBlocks, blocks_);
    return {i % panels_, begin, std::min(begin + kStepBlocks, blocks_),
            scratch_.panels.get() + i % 2 * kStepBlocks * kGroups * kTileValues};
  }

  float* sums_of(size_t tile, size_t panel) const {
    return scratch_.sums.get() + (tile * kPanels + panel) * kGroups * kTileSums;
  }

  HWY_INLINE void decode_until(size_t tiles) {
    while (decoder_.tiles() < tiles) decoder_.decode_tile();
  }

  // The tiles of weights that are to be decoded are spread over the blocks of all tokens.
  void multiply_step(const TokenTiles& tokens, const PanelStep& step, size_t to_decode) {
    const size_t block_values = 2 * tokens.x.tile_tokens() * kPairBlockCols;
    const size_t blocks = tokens.count() * step.blocks();
    size_t done = 0;
    for (size_t tile = 0; tile < tokens.count(); ++tile) {
      const uint16_t* x = tokens.x.block(tokens.begin + tile, tokens.first_block + step.begin);
      NextStep next(x + kStepBlocks * block_values, block_values, step.panel, panels_);
      float* const sums = sums_of(tile, step.panel);
      if (step.begin == 0) {
        clear_sums();
      } else {
        load_sums(sums);
      }
      for (size_t b = 0; b < step.blocks(); ++b) {
        multiply_block(step.weights + b * kGroups * kTileValues, x, tokens.x.tile_tokens());
        x += block_values;
        next.fetch();
        ++done;
        decode_until((to_decode * done + blocks - 1) / blocks);
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
      const auto mask = static_cast<__mmask16>((1U << std::min(kGroupRows, rows_ - first)) - 1);
      for (size_t t = 0; t < tokens; ++t)
        _mm512_mask_storeu_ps(y + t * y_stride + row_ + first, mask, _mm512_load_ps(sums + t * kGroupRows));
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
                   size_t first_block, float* y, size_t y_stride) {
  thread_local Scratch scratch;
  const TileConfig config(x.tile_tokens());
  const size_t rows_at_once = x.tiles() == 1 ? kPanelRows : kRowsAtOnce;
  bool is_right = true;
  for (size_t row = row_begin; row < row_end; row += rows_at_once) {
    RowBlock<Decoder> block(w, row, std::min(rows_at_once, row_end - row), scratch);
    for (size_t tile = 0; tile < x.tiles(); tile += kTilesAtOnce)
      block.multiply({x, first_block, tile, std::min(tile + kTilesAtOnce, x.tiles())}, y, y_stride);
    is_right &= !block.has_met_nan();
  }
  return is_right;
}

}  // namespace

void amx_pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_block, float* y, size_t y_stride) {
  if (row_begin >= row_end) return;
  const bool is_right = are_scales_usual(w, row_begin, row_end) && with_decoder(w.format, [&]<class Decoder> {
                          return multiply_rows<Decoder>(w, row_begin, row_end, x, first_block, y, y_stride);
                        });
  if (!is_right) pair_matmul_rows(w, row_begin, row_end, x, first_block, y, y_stride);
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

}  // namespace sluice

#else

namespace sluice {

bool has_amx() {
  return false;
}

void amx_pair_matmul_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_block, float* y, size_t y_stride) {
  pair_matmul_rows(w, row_begin, row_end, x, first_block, y, y_stride);
}

}  // namespace sluice

#endif
