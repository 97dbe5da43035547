// Element-wise arithmetic and reductions on float32 vectors of any length. The order of additions in a
// reduction depends on the length alone.
#pragma once

#include <cstddef>

namespace sluice {

float dot(const float* a, const float* b, size_t n);
float sum_of_squares(const float* x, size_t n);
void add_scaled(float scale, const float* x, size_t n, float* y);  // y += scale * x
void scale_in_place(float scale, size_t n, float* x);              // x *= scale

// RMSNorm (Zhang & Sennrich 2019): y = x * rsqrt(mean(x^2) + eps) * weight; `weight` null means all ones.
// y may be x.
void rms_norm(const float* x, const float* weight, float eps, size_t n, float* y);

// SwiGLU with the model's clamps: y = silu(min(gate, limit)) * clamp(up, -limit, limit). y may be gate or up.
void swiglu(const float* gate, const float* up, float limit, size_t n, float* y);

}  // namespace sluice
