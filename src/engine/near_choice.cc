#include "engine/near_choice.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

namespace sluice {
namespace {

double standard_deviation(std::span<const float> values) {
  double mean = 0;
  for (const float value : values) mean += value;
  mean /= static_cast<double>(values.size());
  double squares = 0;
  for (const float value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

std::vector<uint32_t> sorted(std::span<const uint32_t> ids) {
  std::vector<uint32_t> result(ids.begin(), ids.end());
  std::ranges::sort(result);
  return result;
}

// Those of `ids` that are not among `others`; both ascending.
std::vector<uint32_t> without(const std::vector<uint32_t>& ids, const std::vector<uint32_t>& others) {
  std::vector<uint32_t> result;
  std::ranges::set_difference(ids, others, std::back_inserter(result));
  return result;
}

}  // namespace

NearChoice::NearChoice(std::span<const float> scores, double tolerance)
    : scores_(scores), widest_gap_(tolerance * standard_deviation(scores)) {}

bool NearChoice::is_near(std::span<const uint32_t> chosen) const {
  const std::vector<uint32_t> taken = sorted(chosen);
  double worst_taken = std::numeric_limits<double>::infinity();
  double best_left = -worst_taken;
  for (uint32_t id = 0; id < scores_.size(); ++id) {
    const double score = scores_[id];
    if (std::ranges::binary_search(taken, id)) {
      worst_taken = std::min(worst_taken, score);
    } else {
      best_left = std::max(best_left, score);
    }
  }
  return worst_taken - best_left <= widest_gap_;
}

bool NearChoice::is_tie(std::span<const uint32_t> chosen, std::span<const uint32_t> expected) const {
  const std::vector<uint32_t> ours = without(sorted(chosen), sorted(expected));
  const std::vector<uint32_t> theirs = without(sorted(expected), sorted(chosen));
  for (const uint32_t mine : ours) {
    for (const uint32_t other : theirs) {
      const double lead = double{scores_[mine]} - double{scores_[other]};
      // Not the other way round: NaN compares with nothing.
      if (!(lead >= 0 && lead <= widest_gap_)) return false;
    }
  }
  return !ours.empty() && ours.size() == theirs.size();
}

void NearChoice::sort_by_score(std::span<uint32_t> ids) const {
  std::ranges::sort(ids, [&](uint32_t a, uint32_t b) {
    return scores_[a] != scores_[b] ? scores_[a] > scores_[b] : a < b;
  });
}

}  // namespace sluice
