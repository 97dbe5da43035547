#include "experts/forecast_policy.h"

#include <algorithm>

namespace sluice {
namespace {

// Of a token. Keeps the worth of the very next layers' experts finite, and stands for the uses that come
// after the next one.
constexpr float kExtraTime = 0.1F;

// A guess is right at least this often; where guesses are worse, the store stops making them.
constexpr float kWorthOfGuess = 0.5F;

}  // namespace

ForecastPolicy::ForecastPolicy(uint32_t layers, uint32_t experts_per_layer)
    : experts_per_layer_(experts_per_layer),
      forecast_(layers, experts_per_layer),
      is_unpinned_(size_t{layers} * experts_per_layer),
      is_routed_(is_unpinned_.size()),
      least_worth_(layers, kNone) {}

void ForecastPolicy::on_route(uint32_t layer, std::span<const uint32_t> experts) {
  forecast_.on_route(layer, experts);
  for (const uint32_t expert : routed_) is_routed_[expert] = 0;
  if (!routed_.empty()) find_least(routed_.front() / experts_per_layer_);
  routed_.assign(experts.begin(), experts.end());
  for (const uint32_t expert : routed_) is_routed_[expert] = 1;
  find_least(layer);
  for (const uint32_t changed : forecast_.changed_layers()) find_least(changed);
}

// Ties go to the lower index, so that a replay is the same everywhere.
bool ForecastPolicy::is_before(uint32_t expert, uint32_t other) const {
  const float worth = forecast_.worth(expert);
  const float other_worth = forecast_.worth(other);
  return worth != other_worth ? worth < other_worth : expert < other;
}

void ForecastPolicy::find_least(uint32_t layer) {
  uint32_t least = kNone;
  const uint32_t first = layer * experts_per_layer_;
  for (uint32_t expert = first; expert < first + experts_per_layer_; ++expert) {
    if (is_unpinned_[expert] == 0 || is_routed_[expert] != 0) continue;
    if (least == kNone || is_before(expert, least)) least = expert;
  }
  least_worth_[layer] = least;
}

void ForecastPolicy::set_unpinned(uint32_t expert, bool is_unpinned) {
  is_unpinned_[expert] = is_unpinned ? 1 : 0;
  const uint32_t layer = expert / experts_per_layer_;
  if (least_worth_[layer] == expert) find_least(layer);
  if (!is_unpinned || is_routed_[expert] != 0) return;
  if (least_worth_[layer] == kNone || is_before(expert, least_worth_[layer])) least_worth_[layer] = expert;
}

void ForecastPolicy::on_insert(uint32_t expert) {
  set_unpinned(expert, false);
}

void ForecastPolicy::on_hit(uint32_t) {}

void ForecastPolicy::on_pin(uint32_t expert) {
  set_unpinned(expert, false);
}

void ForecastPolicy::on_unpin(uint32_t expert) {
  set_unpinned(expert, true);
}

void ForecastPolicy::on_evict(uint32_t expert) {
  set_unpinned(expert, false);
}

// Uses for the time that the slot is taken until then.
float ForecastPolicy::per_token(uint32_t expert, float worth) const {
  const float layers_until = float(forecast_.layers_until(expert / experts_per_layer_));
  return worth / (layers_until / float(least_worth_.size()) + kExtraTime);
}

bool ForecastPolicy::gives_way(uint32_t victim, uint32_t guess) const {
  return per_token(victim, forecast_.worth(victim)) <
         per_token(guess, std::max(kWorthOfGuess, forecast_.worth(guess)));
}

std::optional<uint32_t> ForecastPolicy::victim() const {
  std::optional<uint32_t> victim;
  float least_per_token = std::numeric_limits<float>::infinity();
  for (uint32_t layer = 0; layer < least_worth_.size(); ++layer) {
    const uint32_t expert = least_worth_[layer];
    if (expert == kNone) continue;
    const float uses_per_token = per_token(expert, forecast_.worth(expert));
    if (uses_per_token >= least_per_token) continue;
    least_per_token = uses_per_token;
    victim = expert;
  }
  if (victim) return victim;
  for (const uint32_t expert : routed_)
    if (is_unpinned_[expert] != 0 && (!victim || is_before(expert, *victim))) victim = expert;
  return victim;
}

}  // namespace sluice
