#include "kernels/vector_ops.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector_ops.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {
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

// The rest that does not fill a vector goes the same way, so that an element's bits do not depend on its
// place.
void swiglu_vector(const float* gate, const float* up, float limit, size_t n, float* y) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto most = hn::Set(d, limit);
  const auto one = hn::Set(d, 1.0F);
  const auto compute = [&](auto gates, auto ups) {
    const auto g = hn::Min(gates, most);
    // Beyond e^87 there is no float32; what is left out there is below 1e-35.
    const auto decay = hn::Exp(d, hn::Min(hn::Neg(g), hn::Set(d, 87.0F)));
    const auto silu = hn::Div(g, hn::Add(one, decay));
    return hn::Mul(silu, hn::Min(hn::Max(ups, hn::Neg(most)), most));
  };
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(compute(hn::LoadU(d, gate + i), hn::LoadU(d, up + i)), d, y + i);
  if (i < n) store_some(compute(load_some(gate + i, n - i), load_some(up + i, n - i)), y + i, n - i);
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(dot_product);
HWY_EXPORT(add_scaled_vector);
HWY_EXPORT(swiglu_vector);

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
  HWY_DYNAMIC_DISPATCH(swiglu_vector)(gate, up, limit, n, y);
}

}  // namespace sluice
#endif  // HWY_ONCE
