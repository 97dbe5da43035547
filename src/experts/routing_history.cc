#include "experts/routing_history.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace sluice {
namespace {

// Tuned together on recorded traces (docs/policies.md); hit rates hardly move when any of them is halved or
// doubled.
struct Range {
  float keep_per_layer;  // of the likeness so far, at every layer
  int sharpness;         // the power of likeness that weighs a vote
};
constexpr std::array<Range, RoutingHistory::kRanges> kRange = {{{0.8F, 2}, {0.98F, 3}}};
constexpr float kKeepPerToken = 0.999F;  // of a vote's weight, for every token that it is older
constexpr size_t kVoters = 64;
constexpr float kLeastLikeness = 1e-6F;  // below it weights would vanish in a float
constexpr float kLeastShare = 0.1F;      // of the greatest likeness; below it a vote would hardly count

}  // namespace

RoutingHistory::RoutingHistory(uint32_t layers, uint32_t experts_per_layer, size_t tokens)
    : layers_(layers),
      tokens_(tokens),
      width_(tokens * layers),
      routes_(tokens * layers * kMaxRoute),
      shared_(experts_per_layer) {
  assert(experts_per_layer <= 65536 && tokens >= 2);
  for (auto& likeness : likeness_) likeness.assign(tokens, 0.0F);
  for (auto& voters : voters_) voters.reserve(tokens);
}

std::span<const uint16_t> RoutingHistory::route(uint64_t token, uint32_t layer) const {
  const size_t row = layer * tokens_ + token % tokens_;
  return std::span(routes_).subspan(row * kMaxRoute, width_[row]);
}

uint64_t RoutingHistory::first_past() const {
  return present_ > tokens_ ? present_ - tokens_ : 0;
}

void RoutingHistory::begin_token() {
  ++present_;
  const uint64_t token = present_ - 1;
  for (size_t layer = 0; layer < layers_; ++layer) width_[layer * tokens_ + token % tokens_] = 0;
  // The present token is as like to a past one as their predecessors were to each other. Its own place gets
  // its predecessor's, which nothing was ever added to.
  for (auto& likeness : likeness_) std::rotate(likeness.begin(), likeness.end() - 1, likeness.end());
}

void RoutingHistory::observe(uint32_t layer, std::span<const uint32_t> experts,
                             std::span<const float> rarity) {
  assert(present_ > 0 && layer < layers_);
  layer_ = layer;
  const size_t row = layer * tokens_ + (present_ - 1) % tokens_;
  width_[row] = static_cast<uint16_t>(std::min(experts.size(), kMaxRoute));
  for (size_t i = 0; i < width_[row]; ++i) {
    routes_[row * kMaxRoute + i] = static_cast<uint16_t>(experts[i]);
    shared_[experts[i]] = rarity[i];
  }
  compare(layer);
  for (size_t i = 0; i < width_[row]; ++i) shared_[experts[i]] = 0;
  for (size_t range = 0; range < kRanges; ++range) elect(range);
}

void RoutingHistory::compare(uint32_t layer) {
  for (uint64_t token = first_past(); token + 1 < present_; ++token) {
    float common = 0;
    for (const uint16_t expert : route(token, layer)) common += shared_[expert];
    for (size_t range = 0; range < kRanges; ++range) {
      float& likeness = likeness_[range][token % tokens_];
      likeness = likeness * kRange[range].keep_per_layer + common;
    }
  }
}

void RoutingHistory::elect(size_t range) {
  auto& voters = voters_[range];
  voters.clear();
  const float least = std::max(kLeastLikeness, kLeastShare * std::ranges::max(likeness_[range]));
  float by_age = 1;
  for (uint64_t token = present_ - 1; token-- > first_past();) {
    by_age *= kKeepPerToken;
    const float likeness = likeness_[range][token % tokens_];
    if (likeness < least) continue;
    const float square = likeness * likeness;
    voters.push_back({token, by_age * (kRange[range].sharpness == 2 ? square : square * likeness)});
  }
  if (voters.size() > kVoters) {
    std::nth_element(voters.begin(), voters.begin() + kVoters, voters.end(),
                     [](const Voter& a, const Voter& b) {
                       return a.weight != b.weight ? a.weight > b.weight : a.token > b.token;
                     });
    voters.resize(kVoters);
  }
  float total = 0;
  for (const Voter& voter : voters) total += voter.weight;
  for (Voter& voter : voters) voter.weight /= total;
}

void RoutingHistory::vote(uint32_t layer, size_t range, std::span<float> votes) const {
  std::ranges::fill(votes, 0.0F);
  add_votes(layer, range, 0, 1.0F, votes);
}

void RoutingHistory::add_votes(uint32_t layer, size_t range, uint32_t visits_later, float weight,
                               std::span<float> votes) const {
  // Ahead of the present token its voters have been at the layer already; behind it, their successors have.
  const uint64_t step = (layer > layer_ ? 0U : 1U) + visits_later;
  for (const Voter& voter : voters_[range]) {
    if (voter.token + step >= present_) continue;
    for (const uint16_t expert : route(voter.token + step, layer)) votes[expert] += weight * voter.weight;
  }
}

}  // namespace sluice
