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

// Digits of a key, the highest first.
struct Digit {
  uint32_t shift, bits;
  uint32_t of(uint32_t key) const { return key >> shift & ((1U << bits) - 1); }
};
constexpr std::array<Digit, 3> kDigits = {{{21, 11}, {10, 11}, {0, 10}}};

// Finds the k largest of `count` keys digit after digit: at each, most of what is undecided falls away.
class Selection {
 public:
  explicit Selection(size_t k) : wanted_(k) { chosen_.resize(k + 1); }

  // key(i) and index(i) of `count` undecided ones, in the order of their indices.
  template <class Key, class Index>
  void decide(const Digit& digit, size_t count, const Key& key, const Index& index) {
    std::array<uint32_t, 2048> counts{};
    for (size_t i = 0; i < count; ++i) ++counts[digit.of(key(i))];
    uint32_t last = (1U << digit.bits) - 1;  // the digit of the k-th largest
    size_t left = wanted_ - chosen_count_;
    while (counts[last] < left) left -= counts[last--];
    // Without branches, which nobody could predict; both have room for one that does not count.
    std::vector<uint32_t> undecided(counts[last] + 1);
    size_t undecided_count = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t found = digit.of(key(i));
      chosen_[chosen_count_] = undecided[undecided_count] = index(i);
      chosen_count_ += found > last ? 1 : 0;
      undecided_count += found == last ? 1 : 0;
    }
    undecided.resize(undecided_count);
    undecided_ = std::move(undecided);
  }

  const std::vector<uint32_t>& undecided() const { return undecided_; }

  // After the last digit: those above the k-th largest, then as many of its equals as there is room for.
  std::vector<uint32_t> take() {
    for (size_t i = 0; chosen_count_ < wanted_; ++i) chosen_[chosen_count_++] = undecided_[i];
    chosen_.resize(wanted_);
    return std::move(chosen_);
  }

 private:
  size_t wanted_;
  std::vector<uint32_t> chosen_, undecided_;  // indices
  size_t chosen_count_ = 0;
};

}  // namespace

std::vector<uint32_t> top_k(std::span<const float> scores, size_t k) {
  k = std::min(k, scores.size());
  if (k == 0) return {};
  const auto key = [&](size_t i) { return key_of(scores[i]); };
  Selection selection(k);
  selection.decide(kDigits[0], scores.size(), key, [](size_t i) { return static_cast<uint32_t>(i); });
  for (const Digit& digit : {kDigits[1], kDigits[2]}) {
    const std::vector<uint32_t> undecided = selection.undecided();
    selection.decide(
        digit, undecided.size(), [&](size_t i) { return key(undecided[i]); },
        [&](size_t i) { return undecided[i]; });
  }
  std::vector<uint32_t> chosen = selection.take();
  std::ranges::sort(chosen,
                    [&](uint32_t a, uint32_t b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
  return chosen;
}

}  // namespace sluice
