#include "kernels/amx_pairs.h"

#include <hwy/base.h>

#include "kernels/avx512_pairs.h"

#if HWY_ARCH_X86_64
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/amx_row_block-inl.h"
#include "kernels/amx_row_stream-inl.h"

HWY_PUSH_ATTRIBUTES(SLUICE_TILE_TARGET)
namespace sluice {
namespace {

template <class Decoder>
bool multiply_few_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                         size_t first_line, float* y, size_t y_stride) {
  RowStream<Decoder> rows(w, row_begin, row_end, x, first_line);
  rows.multiply(y, y_stride);
  return !rows.has_met_nan();
}

BlockScratch& thread_scratch() {
  thread_local BlockScratch scratch;
  return scratch;
}

template <class Decoder>
bool multiply_many_tokens(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                          size_t first_line, float* y, size_t y_stride) {
  const size_t rounds = (x.tiles() + kTilesAtOnce - 1) / kTilesAtOnce;
  bool is_right = true;
  for (size_t row = row_begin; row < row_end; row += kRowsAtOnce) {
    RowBlock<Decoder> block(w, row, std::min(kRowsAtOnce, row_end - row), thread_scratch());
    for (size_t i = 0; i < rounds; ++i)  // of two tiles or more
      block.multiply({x, first_line, i * x.tiles() / rounds, (i + 1) * x.tiles() / rounds}, y, y_stride);
    is_right &= !block.has_met_nan();
  }
  return is_right;
}

// False if the decoder met NaN.
template <class Decoder>
bool multiply_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const PairedTokens& x,
                   size_t first_line, float* y, size_t y_stride) {
  const TileConfig config(x.tile_tokens());
  if (x.tiles() == 1) return multiply_few_tokens<Decoder>(w, row_begin, row_end, x, first_line, y, y_stride);
  return multiply_many_tokens<Decoder>(w, row_begin, row_end, x, first_line, y, y_stride);
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
  return kBlockScratchBytes;
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
