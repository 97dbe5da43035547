#include "kernels/attend.h"

#include <algorithm>
#include <cmath>

#include "kernels/vector_ops.h"

namespace sluice {

void attend(const float* q, std::span<const float* const> rows, size_t width, float scale, float sink,
            float* scores, float* out) {
  float largest = sink;
  for (size_t i = 0; i < rows.size(); ++i) {
    scores[i] = dot(q, rows[i], width) * scale;
    largest = std::max(largest, scores[i]);
  }
  float total = std::exp(sink - largest);
  for (size_t i = 0; i < rows.size(); ++i) {
    scores[i] = std::exp(scores[i] - largest);
    total += scores[i];
  }
  std::fill_n(out, width, 0.0F);
  for (size_t i = 0; i < rows.size(); ++i) add_scaled(scores[i] / total, rows[i], width, out);
}

}  // namespace sluice
