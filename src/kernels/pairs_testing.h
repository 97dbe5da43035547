// For tests only: activations as bf16 pairs, and what the portable version makes of them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/bf16_pairs.h"

namespace sluice {

using PairTokens = std::function<void(const float*, size_t, const PairedTokens&, size_t, size_t, size_t)>;

// Activations paired for weights of a format.
struct Paired {
  std::vector<uint16_t> values;
  PairedTokens view;

  Paired(const std::vector<float>& x, size_t tokens, size_t cols, WeightFormat format,
         const PairTokens& pair = pair_tokens)
      : values(PairedTokens::values_of(tokens, cols, format)), view(values.data(), tokens, cols, format) {
    for (size_t tile = 0; tile < view.tiles(); ++tile) pair(x.data(), cols, view, tile, 0, view.lines());
  }
};

inline bool same_bits_but_for_nan(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float one, float other) {
    if (std::isnan(one)) return std::isnan(other);
    return std::bit_cast<uint32_t>(one) == std::bit_cast<uint32_t>(other);
  });
}

inline std::vector<float> portable_product(const WeightMatrix& w, const Paired& x) {
  std::vector<float> y(x.view.tokens() * w.rows);
  pair_matmul_rows(w, 0, w.rows, x.view, 0, y.data(), w.rows);
  return y;
}

}  // namespace sluice
