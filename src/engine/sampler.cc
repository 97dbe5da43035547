#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/fail.h"
#include "kernels/top_k.h"

namespace sluice {
namespace {

struct Candidate {
  uint32_t id = 0;
  double weight = 0;  // proportional to its probability
};

double total_weight(const std::vector<Candidate>& candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

// The fewest leading candidates that reach p of the weight.
void keep_top_p(double p, std::vector<Candidate>& candidates) {
  const double wanted = p * total_weight(candidates);
  double reached = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    reached += candidates[i].weight;
    if (reached >= wanted) {
      candidates.resize(i + 1);
      return;
    }
  }
}

}  // namespace

Status check_sampling(const SamplingOptions& options) {
  const auto outside = [](const char* name, double value, const char* range) {
    return fail(ErrorCode::kInvalidArgument, "{} is {}; expected {}", name, value, range);
  };
  if (!(options.temperature >= 0 && options.temperature <= 100)) {
    return outside("temperature", options.temperature, "0 to 100");
  }
  if (!(options.top_p > 0 && options.top_p <= 1))
    return outside("top-p", options.top_p, "above 0, at most 1");
  if (!(options.min_p >= 0 && options.min_p <= 1)) return outside("min-p", options.min_p, "0 to 1");
  return {};
}

Result<int32_t> Sampler::sample(std::span<const float> logits) {
  const bool greedy = options_.temperature == 0;
  const size_t kept = greedy ? 1 : options_.top_k == 0 ? logits.size() : options_.top_k;
  const auto order = top_k(logits, kept);
  if (order.empty() || std::isnan(logits[order[0]])) {
    return fail(ErrorCode::kInternal,
                "the model gave no number for any token: its weights or inputs are damaged");
  }
  if (greedy) return static_cast<int32_t>(order[0]);
  std::vector<Candidate> candidates;
  for (const uint32_t id : order) {
    if (std::isnan(logits[id])) break;  // they stand last
    // Equal to the best is as likely as it, also where both are infinite and their difference is no number.
    const double below_best = double{logits[order[0]]} - double{logits[id]};
    const double weight = logits[id] == logits[order[0]] ? 1.0 : std::exp(-below_best / options_.temperature);
    if (weight == 0) break;  // too unlikely to be told from never, and so is all that follows
    candidates.push_back({id, weight});
  }
  if (options_.top_p < 1) keep_top_p(options_.top_p, candidates);
  while (candidates.back().weight < options_.min_p) candidates.pop_back();
  double left = uniform() * total_weight(candidates);
  for (const Candidate& candidate : candidates) {
    left -= candidate.weight;
    if (left < 0) return static_cast<int32_t>(candidate.id);
  }
  return static_cast<int32_t>(candidates.back().id);
}

double Sampler::uniform() {
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

}  // namespace sluice
