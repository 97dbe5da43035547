// A row of a sequence's state as float32, for one SIMD target; included once per target by what uses it.
#if defined(SLUICE_KERNELS_WIDEN_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_WIDEN_ROW_INL_H_
#undef SLUICE_KERNELS_WIDEN_ROW_INL_H_
#else
#define SLUICE_KERNELS_WIDEN_ROW_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "numerics/rows.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The row itself when it is float32, otherwise what it means, in scratch [width].
inline const float* widen_row(RowFormat format, const std::byte* row, size_t width, float* scratch) {
  if (format == RowFormat::kF32) return reinterpret_cast<const float*>(row);
  const hn::ScalableTag<float> floats;
  const size_t whole = width / hn::Lanes(floats) * hn::Lanes(floats);
  if (format == RowFormat::kF16) {
    const hn::Rebind<hwy::float16_t, decltype(floats)> halves;
    const auto* const codes = reinterpret_cast<const hwy::float16_t*>(row);
    for (size_t c = 0; c < whole; c += hn::Lanes(floats))
      hn::StoreU(hn::PromoteTo(floats, hn::LoadU(halves, codes + c)), floats, scratch + c);
  } else {
    const hn::RebindToUnsigned<decltype(floats)> words;
    const hn::Rebind<uint16_t, decltype(floats)> halves;
    const auto* const codes = reinterpret_cast<const uint16_t*>(row);
    for (size_t c = 0; c < whole; c += hn::Lanes(floats)) {
      const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, codes + c)));
      hn::StoreU(hn::BitCast(floats, bits), floats, scratch + c);
    }
  }
  if (whole < width) decode_row(format, row + whole * 2, {scratch + whole, width - whole});
  return scratch;
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard that opens once per target
