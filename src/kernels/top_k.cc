#include "kernels/top_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

namespace sluice {
namespace {

// Unsigned numbers in the order of the scores; NaN below all, zeros alike.
uint32_t key_of(float score) {
  if (std::isnan(score)) return 0;
  const auto bits = std::bit_cast<uint32_t>(score + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

// The k-th largest key, 1 <= k <= scores.size(): digit after digit, the highest first, by counting.
uint32_t kth_largest(std::span<const float> scores, size_t k) {
  constexpr std::array<std::pair<uint32_t, uint32_t>, 3> kDigits = {{{21, 11}, {10, 11}, {0, 10}}};
  uint32_t known = 0;  // the digits found so far
  uint32_t mask = 0;   // where they stand
  std::array<uint32_t, 2048> counts{};
  for (const auto& [shift, bits] : kDigits) {
    counts.fill(0);
    const uint32_t digit_mask = (1U << bits) - 1;
    for (const float score : scores) {
      const uint32_t key = key_of(score);
      if ((key & mask) == known) ++counts[(key >> shift) & digit_mask];
    }
    uint32_t digit = digit_mask;
    while (counts[digit] < k) k -= counts[digit--];
    known |= digit << shift;
    mask |= digit_mask << shift;
  }
  return known;
}

}  // namespace

std::vector<uint32_t> top_k(std::span<const float> scores, size_t k) {
  k = std::min(k, scores.size());
  std::vector<uint32_t> chosen;
  if (k == 0) return chosen;
  const uint32_t least = kth_largest(scores, k);
  std::vector<uint32_t> equals;
  for (uint32_t i = 0; i < scores.size(); ++i) {
    const uint32_t key = key_of(scores[i]);
    if (key > least) chosen.push_back(i);
    if (key == least && equals.size() < k) equals.push_back(i);
  }
  std::ranges::sort(chosen, [&](uint32_t a, uint32_t b) {
    const uint32_t key_a = key_of(scores[a]), key_b = key_of(scores[b]);
    return key_a != key_b ? key_a > key_b : a < b;
  });
  chosen.insert(chosen.end(), equals.begin(),
                equals.begin() + static_cast<std::ptrdiff_t>(k - chosen.size()));
  return chosen;
}

}  // namespace sluice
