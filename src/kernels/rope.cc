#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sluice {
namespace {

// The channel pair that turns `rotations` times within the original context, as a real number.
double pair_of_rotations(double rotations, uint32_t width, double base, const YarnScaling& scaling) {
  return width * std::log(scaling.original_context_tokens / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(base));
}

}  // namespace

Rope::Rope(uint32_t width, double base, const YarnScaling* scaling) : frequencies_(width / 2) {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    frequencies_[i] = std::pow(base, -2.0 * static_cast<double>(i) / width);
  }
  if (scaling == nullptr) return;
  const double low = std::max(std::floor(pair_of_rotations(scaling->beta_fast, width, base, *scaling)), 0.0);
  double high =
      std::min(std::ceil(pair_of_rotations(scaling->beta_slow, width, base, *scaling)), width - 1.0);
  if (high == low) high += 0.001;  // a ramp needs a slope
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies_[i] = frequencies_[i] / scaling->factor * ramp + frequencies_[i] * (1 - ramp);
  }
}

void Rope::rotate(uint64_t position, float* x) const {
  turn(position, 1.0F, x);
}

void Rope::rotate_back(uint64_t position, float* x) const {
  turn(position, -1.0F, x);
}

void Rope::turn(uint64_t position, float direction, float* x) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    const auto cosine = static_cast<float>(std::cos(angle));
    const float sine = direction * static_cast<float>(std::sin(angle));
    const float even = x[2 * i];
    const float odd = x[2 * i + 1];
    x[2 * i] = even * cosine - odd * sine;
    x[2 * i + 1] = even * sine + odd * cosine;
  }
}

}  // namespace sluice
