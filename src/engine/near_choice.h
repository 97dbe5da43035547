// Choices by scores that rounding may rightly decide: those whose scores hardly differ.
#pragma once

#include <cstdint>
#include <span>

namespace sluice {

// One token's choice of its best experts or blocks in a layer, beside what another implementation chose
// there. `scores` are those of all that there were to choose from, by id. Keeps references: use it while they
// live.
class NearChoice {
 public:
  // Two scores are too near to tell apart when they differ by no more than `tolerance` standard deviations of
  // all the token's scores.
  NearChoice(std::span<const float> scores, double tolerance);

  // Whether the worst of `chosen` leads the best of the others by too little to be told apart: no
  // other implementation need choose the same.
  bool is_near(std::span<const uint32_t> chosen) const;

  // Whether `chosen` and `expected`, which are different sets, are equally right: all in which they differ
  // score too near to each other, and by these scores `chosen` is the better set. When it is the worse one
  // its chooser did not take the best, which no rounding excuses. Where a score is NaN nothing is near.
  // REQUIRES ids below scores.size().
  bool is_tie(std::span<const uint32_t> chosen, std::span<const uint32_t> expected) const;

  // As a router would list them: the best first, of equals the lower id. REQUIRES that no score is NaN.
  void sort_by_score(std::span<uint32_t> ids) const;

 private:
  std::span<const float> scores_;
  double widest_gap_;  // that counts as near
};

}  // namespace sluice
