#include "kernels/vector_ops.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector_ops.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

float dot_product(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto even = hn::Zero(d);
  auto odd = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), even);
    odd = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), odd);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled_vector(float scale, const float* HWY_RESTRICT x, size_t n, float* HWY_RESTRICT y) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::MulAdd(factor, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  for (; i < n; ++i) y[i] = std::fma(scale, x[i], y[i]);
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(dot_product);
HWY_EXPORT(add_scaled_vector);

float dot(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(dot_product)(a, b, n);
}

float sum_of_squares(const float* x, size_t n) {
  return dot(x, x, n);
}

void add_scaled(float scale, const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(add_scaled_vector)(scale, x, n, y);
}

void scale_in_place(float scale, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

void rms_norm(const float* x, const float* weight, float eps, size_t n, float* y) {
  const float scale = 1.0F / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + eps);
  if (weight == nullptr) {
    for (size_t i = 0; i < n; ++i) y[i] = x[i] * scale;
  } else {
    for (size_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
  }
}

void swiglu(const float* gate, const float* up, float limit, size_t n, float* y) {
  for (size_t i = 0; i < n; ++i) {
    const float g = std::min(gate[i], limit);
    y[i] = g / (1.0F + std::exp(-g)) * std::clamp(up[i], -limit, limit);
  }
}

}  // namespace sluice
#endif  // HWY_ONCE
