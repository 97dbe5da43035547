#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <ranges>

#include "base/fail.h"
#include "kernels/top_k.h"

namespace sluice {
namespace {

// The first of the largest, or of all if none is a number.
size_t best_of(std::span<const float> logits) {
  size_t best = 0;
  for (size_t id = 1; id < logits.size(); ++id) {
    if (logits[id] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[id]))) best = id;
  }
  return best;
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
  const size_t best = best_of(logits);
  if (logits.empty() || std::isnan(logits[best])) {
    return fail(ErrorCode::kInternal,
                "the model gave no number for any token: its weights or inputs are damaged");
  }
  if (options_.temperature == 0) return static_cast<int32_t>(best);
  weigh(logits, logits[best]);
  if (options_.top_k > 0) {
    std::vector<uint32_t> ids = top_k(logits, options_.top_k);
    keep_leading(options_.top_p * weight_of(ids), ids);
    return draw(ids);
  }
  if (options_.top_p < 1) return draw(nucleus(logits));
  return draw(std::views::iota(size_t{0}, logits.size()));
}

void Sampler::weigh(std::span<const float> logits, float best) {
  weights_.resize(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) {
    // Equal to the best is as likely as it, also where both are infinite and their difference is no number.
    const double weight =
        logits[id] == best ? 1.0 : std::exp((double{logits[id]} - double{best}) / options_.temperature);
    weights_[id] = std::isnan(weight) ? 0.0 : weight;
  }
}

double Sampler::weight_of(const std::vector<uint32_t>& ids) const {
  double total = 0;
  for (const uint32_t id : ids) total += weights_[id];
  return total;
}

void Sampler::keep_leading(double wanted, std::vector<uint32_t>& ids) const {
  double reached = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    reached += weights_[ids[i]];
    if (reached < wanted) continue;
    ids.resize(i + 1);
    return;
  }
}

// Few tokens have most of the weight, as a rule, and to put a whole vocabulary in order takes tens of ms.
std::vector<uint32_t> Sampler::nucleus(std::span<const float> logits) const {
  constexpr size_t kFirst = 64;
  const double wanted = options_.top_p * std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (size_t count = kFirst;; count *= 8) {
    std::vector<uint32_t> ids = top_k(logits, count);
    if (count < logits.size() && weight_of(ids) < wanted) continue;
    keep_leading(wanted, ids);
    return ids;
  }
}

template <class Ids>
int32_t Sampler::draw(const Ids& ids) {
  // What has no weight is too unlikely to be told from never.
  const auto is_left = [this](double weight) { return weight > 0 && weight >= options_.min_p; };
  double total = 0;
  for (const auto id : ids) total += is_left(weights_[id]) ? weights_[id] : 0.0;
  double left = uniform() * total;
  int32_t last = 0;
  for (const auto id : ids) {
    if (!is_left(weights_[id])) continue;
    last = static_cast<int32_t>(id);
    left -= weights_[id];
    if (left < 0) break;
  }
  return last;
}

double Sampler::uniform() {
  return static_cast<double>(random_() >> 11) * 0x1p-53;
}

}  // namespace sluice
