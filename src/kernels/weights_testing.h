// For tests only: weights that own their bytes, and activations to multiply them with, the same every time.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "numerics/weight_matrix.h"

namespace sluice {

struct StoredWeights {
  std::vector<std::byte> values;
  std::vector<std::byte> scales;
  WeightMatrix matrix;
};

// Random codes of both signs, all of them finite, `misalignment` bytes behind where they were allocated;
// scales from 2^-12 to 2^-3. Without scales, from 0.5 to 2: random bits would span 70 decades.
inline StoredWeights random_weights(WeightFormat format, uint32_t rows, uint32_t cols,
                                    size_t misalignment = 0) {
  std::mt19937 random(rows * 7 + cols);
  StoredWeights stored;
  stored.values.resize(weight_values_bytes(format, rows, cols) + misalignment);
  stored.scales.resize(weight_scales_bytes(format, rows, cols));
  for (auto& byte : stored.values) byte = static_cast<std::byte>(random());
  for (auto& byte : stored.scales) byte = static_cast<std::byte>(115 + random() % 10);
  if (format == WeightFormat::kF32 || format == WeightFormat::kBF16) {
    const size_t step = format == WeightFormat::kF32 ? 4 : 2;
    for (size_t i = misalignment + step - 1; i < stored.values.size(); i += step)
      stored.values[i] = static_cast<std::byte>(random() % 2 == 0 ? 0x3f : 0xbf);
  } else if (format == WeightFormat::kFP8) {
    for (auto& byte : stored.values) {
      if ((byte & std::byte{0x7f}) == std::byte{0x7f}) byte = std::byte{0x3f};  // NaN's code
    }
  }
  stored.matrix = {format, rows, cols, stored.values.data() + misalignment, stored.scales.data()};
  return stored;
}

// [tokens, cols]. Blocks of 32 differ in size, by up to 2^19, so that scales matter.
inline std::vector<float> random_tokens(size_t tokens, size_t cols) {
  std::mt19937 random(99);
  std::normal_distribution<float> normal;
  std::vector<float> values(tokens * cols);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = std::ldexp(normal(random), static_cast<int>(i / 32 * 7 % 20) - 10);
  return values;
}

}  // namespace sluice
