#include "kernels/top_k.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {

std::vector<uint32_t> top_k(std::span<const float> scores, size_t k) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0U);
  k = std::min(k, order.size());
  const auto before = [&](uint32_t a, uint32_t b) {
    const bool a_is_nan = std::isnan(scores[a]);
    const bool b_is_nan = std::isnan(scores[b]);
    if (a_is_nan != b_is_nan) return b_is_nan;
    if (!a_is_nan && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
  };
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(k);
  if (k < order.size()) std::nth_element(order.begin(), middle, order.end(), before);
  std::sort(order.begin(), middle, before);
  order.resize(k);
  return order;
}

}  // namespace sluice
