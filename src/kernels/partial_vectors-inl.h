// Loading and storing fewer values than a vector has lanes, without touching what lies behind them; for one
// SIMD target, included once per target by what uses it.
#if defined(SLUICE_KERNELS_PARTIAL_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_PARTIAL_VECTORS_INL_H_
#undef SLUICE_KERNELS_PARTIAL_VECTORS_INL_H_
#else
#define SLUICE_KERNELS_PARTIAL_VECTORS_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// `count` < lanes values; zeros behind them.
inline hn::Vec<hn::ScalableTag<float>> load_some(const float* from, size_t count) {
  HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)] = {};
  std::copy_n(from, count, values);
  return hn::Load(hn::ScalableTag<float>(), values);
}

inline void store_some(hn::Vec<hn::ScalableTag<float>> vector, float* to, size_t count) {
  HWY_ALIGN float values[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(vector, hn::ScalableTag<float>(), values);
  std::copy_n(values, count, to);
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard that opens once per target
