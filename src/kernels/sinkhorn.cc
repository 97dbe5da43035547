#include "kernels/sinkhorn.h"

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

void softmax_rows(const SinkhornSettings& settings, float* comb) {
  for (uint32_t row = 0; row < settings.streams; ++row) {
    float* values = comb + row * settings.streams;
    const float largest = *std::max_element(values, values + settings.streams);
    float total = 0;
    for (uint32_t column = 0; column < settings.streams; ++column) {
      values[column] = std::exp(values[column] - largest);
      total += values[column];
    }
    for (uint32_t column = 0; column < settings.streams; ++column) {
      values[column] = values[column] / total + settings.eps;
    }
  }
}

// Divides `count` values that lie `step` apart by their sum plus eps.
void normalise(float* values, uint32_t count, uint32_t step, float eps) {
  float total = 0;
  for (uint32_t i = 0; i < count; ++i) total += values[i * step];
  for (uint32_t i = 0; i < count; ++i) values[i * step] /= total + eps;
}

}  // namespace

void sinkhorn(const SinkhornSettings& settings, float* comb) {
  const uint32_t n = settings.streams;
  softmax_rows(settings, comb);
  for (uint32_t column = 0; column < n; ++column) normalise(comb + column, n, n, settings.eps);
  for (uint32_t iteration = 1; iteration < settings.iterations; ++iteration) {
    for (uint32_t row = 0; row < n; ++row) normalise(comb + row * n, n, 1, settings.eps);
    for (uint32_t column = 0; column < n; ++column) normalise(comb + column, n, n, settings.eps);
  }
}

float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
}

}  // namespace sluice
