#include "experts/use_forecast.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace sluice {
namespace {

// Tuned on recorded traces; docs/policies.md says how much each of them matters (little).
constexpr size_t kTokensRemembered = 1024;
const float kShortKeep = std::exp2(-1 / 1.5F);  // half of a use is forgotten in 1.5 visits
const float kLongKeep = std::exp2(-1 / 10.0F);  // in 10 visits
constexpr float kPriorVisits = 0.5F;            // that an average expert is assumed to have behind it
constexpr float kLeastVote = 0.01F;
constexpr float kLongTermShare = 0.1F;  // of the long-term frequency in an expert's worth
// Of the votes for the second, third and fourth visit from now: an expert that is soon asked for again is
// worth a slot beyond its next visit.
constexpr std::array<float, 3> kLaterShares = {0.1F, 0.07F, 0.05F};
constexpr float kUnknownWorth = 0.05F;  // of an expert whose layer was never visited
constexpr size_t kMostLeads = 3;
constexpr float kCommonUses = 0.3F;  // keeps the rarity of an expert that every visit asked for above 0

}  // namespace

UseForecast::UseForecast(uint32_t layers, uint32_t experts_per_layer)
    : layers_(layers),
      experts_per_layer_(experts_per_layer),
      visits_(layers),
      uses_(size_t{layers} * experts_per_layer),
      often_lately_(uses_.size()),
      often_(uses_.size()),
      share_(uses_.size()),
      was_used_(uses_.size()),
      worth_(uses_.size(), kUnknownWorth),
      is_asked_for_(experts_per_layer),
      votes_(experts_per_layer),
      history_(layers, experts_per_layer, kTokensRemembered) {
  assert(layers >= 1 && experts_per_layer >= 1);
  uint32_t lead = layers;
  while (leads_.size() < kMostLeads) {
    const float distance = layers == 1 ? 1.0F : std::log(float(lead)) / std::log(float(layers));
    leads_.push_back({lead, UseModel(distance), std::vector<float>(uses_.size()),
                      std::vector<float>(uses_.size()), std::vector<float>(uses_.size()),
                      std::vector<uint8_t>(layers)});
    if (lead == 1) break;
    lead = leads_.size() + 1 == kMostLeads ? 1 : lead / 2;
  }
}

uint32_t UseForecast::layers_until(uint32_t layer) const {
  return layer > last_layer_ ? layer - last_layer_ : layer + layers_ - last_layer_;
}

float UseForecast::average() const {
  const double pairs = double(routes_) * experts_per_layer_;
  return std::clamp(float(double(routed_experts_) / pairs), 1e-6F, 0.5F);
}

void UseForecast::on_route(uint32_t layer, std::span<const uint32_t> experts) {
  assert(layer < layers_);
  if (routes_ == 0 || layer <= last_layer_) history_.begin_token();
  last_layer_ = layer;
  ++routes_;
  routed_experts_ += experts.size();
  std::ranges::fill(is_asked_for_, 0.0F);
  numbers_.clear();
  for (const uint32_t expert : experts) {
    numbers_.push_back(expert - layer * experts_per_layer_);
    is_asked_for_[numbers_.back()] = 1.0F;
  }
  for (Lead& lead : leads_) learn(layer, lead);
  count(layer);
  remember(layer);
  changed_layers_.clear();
  for (Lead& lead : leads_) {
    const uint32_t target = (layer + lead.layers) % layers_;
    if (visits_[target].long_term > 0) look_at(target, lead);
  }
}

UseModel::Inputs UseForecast::inputs(const Lead& lead, uint32_t layer) const {
  const auto of_layer = [&](const std::vector<float>& values) {
    return std::span(values).subspan(size_t{layer} * experts_per_layer_, experts_per_layer_);
  };
  return {of_layer(often_lately_), of_layer(often_), of_layer(was_used_), of_layer(lead.votes_of_token),
          of_layer(lead.votes_of_topic)};
}

void UseForecast::learn(uint32_t layer, Lead& lead) {
  if (lead.awaits_visit[layer] == 0) return;
  lead.awaits_visit[layer] = 0;
  const size_t first = size_t{layer} * experts_per_layer_;
  lead.model.learn(inputs(lead, layer), std::span(lead.foretold).subspan(first, experts_per_layer_),
                   is_asked_for_);
}

void UseForecast::count(uint32_t layer) {
  Counts& visits = visits_[layer];
  visits = {visits.short_term * kShortKeep + 1, visits.long_term * kLongKeep + 1};
  const float usual = average();
  for (uint32_t number = 0; number < experts_per_layer_; ++number) {
    const uint32_t expert = layer * experts_per_layer_ + number;
    const float asked = is_asked_for_[number];
    Counts& uses = uses_[expert];
    uses = {uses.short_term * kShortKeep + asked, uses.long_term * kLongKeep + asked};
    share_[expert] = share(uses.long_term, visits.long_term);
    often_lately_[expert] = std::log(share(uses.short_term, visits.short_term) / usual);
    often_[expert] = std::log(share_[expert] / usual);
    was_used_[expert] = is_asked_for_[number];
  }
}

float UseForecast::share(float uses, float visits) const {
  return (uses + kPriorVisits * average()) / (visits + kPriorVisits);
}

void UseForecast::remember(uint32_t layer) {
  rarity_.clear();
  for (const uint32_t number : numbers_) {
    const float uses = uses_[layer * experts_per_layer_ + number].long_term;
    rarity_.push_back(std::log((visits_[layer].long_term + 1) / (uses + kCommonUses)));
  }
  history_.observe(layer, numbers_, rarity_);
}

void UseForecast::look_at(uint32_t layer, Lead& lead) {
  take_votes(layer, RoutingHistory::kToken, lead.votes_of_token);
  take_votes(layer, RoutingHistory::kTopic, lead.votes_of_topic);
  const uint32_t first = layer * experts_per_layer_;
  lead.model.foretell(inputs(lead, layer), average(),
                      std::span(lead.foretold).subspan(first, experts_per_layer_));
  for (uint32_t expert = first; expert < first + experts_per_layer_; ++expert)
    worth_[expert] = lead.foretold[expert] + kLongTermShare * share_[expert];
  add_later_votes(layer);
  lead.awaits_visit[layer] = 1;
  changed_layers_.push_back(layer);
}

void UseForecast::add_later_votes(uint32_t layer) {
  const auto worth = std::span(worth_).subspan(size_t{layer} * experts_per_layer_, experts_per_layer_);
  for (size_t range = 0; range < RoutingHistory::kRanges; ++range)
    for (uint32_t later = 0; later < kLaterShares.size(); ++later)
      history_.add_votes(layer, range, later + 1, kLaterShares[later], worth);
}

void UseForecast::take_votes(uint32_t layer, size_t range, std::vector<float>& into) {
  history_.vote(layer, range, votes_);
  // Most experts get no vote at all: their logarithm is taken once.
  const float usual = average() + kLeastVote;
  const float none = std::log(kLeastVote / usual);
  for (uint32_t number = 0; number < experts_per_layer_; ++number) {
    const float votes = votes_[number];
    into[layer * experts_per_layer_ + number] = votes > 0 ? std::log((votes + kLeastVote) / usual) : none;
  }
}

}  // namespace sluice
