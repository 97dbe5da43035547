// Rotary position embedding (Su et al. 2021), interleaved pairs, with YaRN's frequencies (Peng et al. 2023).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

// YaRN's scaling of a base's frequencies; see deepseek-v4.md, Attention. No magnitude factor.
struct YarnScaling {
  double factor = 1;
  double original_context_tokens = 0;
  double beta_fast = 32;
  double beta_slow = 1;
};

// The rotation of one kind of layer. Immutable; safe to share between threads.
class Rope {
 public:
  // `width`: rotated channels, even. `scaling` null: none.
  Rope(uint32_t width, double base, const YarnScaling* scaling);

  uint32_t width() const { return static_cast<uint32_t>(2 * frequencies_.size()); }
  const std::vector<double>& frequencies() const {
    return frequencies_;
  }  // [width / 2], radians per position

  // Turns channels (2i, 2i+1) of x[width] by +position * frequency_i, or by the negative of it.
  void rotate(uint64_t position, float* x) const;
  void rotate_back(uint64_t position, float* x) const;

 private:
  void turn(uint64_t position, float direction, float* x) const;

  std::vector<double> frequencies_;
};

}  // namespace sluice
