#include "experts/forecast_policy.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "experts/test_traces.h"

namespace sluice {
namespace {

using testing::Dice;

constexpr uint32_t kLayers = 4;
constexpr uint32_t kExperts = 8;

uint32_t index(uint32_t layer, uint32_t expert) {
  return layer * kExperts + expert;
}

// A token that asks for the same number at every layer.
void route_token(ForecastPolicy& policy, uint32_t expert) {
  for (uint32_t layer = 0; layer < kLayers; ++layer) {
    const std::array<uint32_t, 1> experts = {index(layer, expert)};
    policy.on_route(layer, experts);
  }
}

void hold(ForecastPolicy& policy, uint32_t expert) {
  policy.on_insert(expert);
  policy.on_unpin(expert);
}

TEST(ForecastPolicy, HasNoVictimWithoutAnUnpinnedExpert) {
  ForecastPolicy policy(kLayers, kExperts);
  EXPECT_EQ(policy.victim(), std::nullopt);
  policy.on_insert(3);
  EXPECT_EQ(policy.victim(), std::nullopt);
  policy.on_unpin(3);
  EXPECT_EQ(policy.victim(), 3u);
  policy.on_pin(3);
  EXPECT_EQ(policy.victim(), std::nullopt);
}

TEST(ForecastPolicy, WhatIsAskedForOftenStays) {
  ForecastPolicy policy(kLayers, kExperts);
  for (const uint32_t expert : {1u, 2u, 1u, 1u, 3u, 1u, 4u}) route_token(policy, expert);
  for (const uint32_t expert : {1u, 2u, 3u}) hold(policy, index(1, expert));
  EXPECT_EQ(policy.victim(), index(1, 2));
  policy.on_evict(index(1, 2));
  EXPECT_EQ(policy.victim(), index(1, 3));
}

TEST(ForecastPolicy, OfTwoEquallyProbableExpertsTheOneOfTheLayerJustPassedGoes) {
  ForecastPolicy policy(kLayers, kExperts);
  for (const uint32_t expert : {1u, 2u, 1u, 2u, 5u}) route_token(policy, expert);
  // Both were looked at when they were passed: one model has foretold both.
  for (const uint32_t layer : {kLayers - 2, kLayers - 1}) hold(policy, index(layer, 1));
  EXPECT_EQ(policy.victim(), index(kLayers - 1, 1));
}

TEST(ForecastPolicy, WhatFollowedThePastTokenLikeThisOneStays) {
  ForecastPolicy policy(kLayers, kExperts);
  // 1 is always followed by 2, 3 by 4.
  for (int round = 0; round < 10; ++round)
    for (const uint32_t expert : {1u, 2u, 3u, 4u}) route_token(policy, expert);
  route_token(policy, 1);
  for (const uint32_t expert : {2u, 4u}) hold(policy, index(0, expert));
  EXPECT_EQ(policy.victim(), index(0, 4));
  route_token(policy, 2);
  route_token(policy, 3);
  EXPECT_EQ(policy.victim(), index(0, 2));
}

TEST(ForecastPolicy, WhatTheLastRouteAskedForGoesLast) {
  ForecastPolicy policy(kLayers, kExperts);
  for (int i = 0; i < 20; ++i) route_token(policy, 1);
  hold(policy, index(3, 1));
  const std::array<uint32_t, 1> rare = {index(0, 7)};
  policy.on_route(0, rare);
  hold(policy, index(0, 7));
  EXPECT_EQ(policy.victim(), index(3, 1));
  policy.on_evict(index(3, 1));
  EXPECT_EQ(policy.victim(), index(0, 7));
}

TEST(ForecastPolicy, WithoutRoutesItStillNamesVictims) {
  ForecastPolicy policy(kLayers, kExperts);
  std::set<uint32_t> held;
  for (uint32_t expert = 0; expert < kLayers * kExperts; ++expert) {
    hold(policy, expert);
    held.insert(expert);
  }
  while (!held.empty()) {
    const auto victim = policy.victim();
    ASSERT_TRUE(victim.has_value());
    ASSERT_EQ(held.erase(*victim), 1u);
    policy.on_evict(*victim);
  }
  EXPECT_EQ(policy.victim(), std::nullopt);
}

TEST(ForecastPolicy, AsManyLayersAreLookedAtAsThereAreLeadsHoweverManyLayersThereAre) {
  for (const uint32_t layers : {1u, 2u, 5u, 43u, 500u}) {
    UseForecast forecast(layers, 16);
    for (uint32_t route = 0; route < 4 * layers; ++route) {
      const std::array<uint32_t, 1> experts = {route % layers * 16 + route % 16};
      forecast.on_route(route % layers, experts);
      EXPECT_LE(forecast.changed_layers().size(), 3u);
      EXPECT_EQ(forecast.layers_until(route % layers), layers);
      EXPECT_EQ(forecast.layers_until((route + 1) % layers), 1u);
    }
  }
}

// Does to a policy, at random, everything that a store may do, and keeps book of it.
class RandomStore {
 public:
  RandomStore(ForecastPolicy& policy, uint32_t layers, uint32_t seed)
      : policy_(policy), layers_(layers), dice_(seed), pins_(layers * kExperts, kNoSlot) {}

  void act() {
    const uint32_t expert = dice_.below(static_cast<uint32_t>(pins_.size()));
    int& pins = pins_[expert];
    const uint32_t action = dice_.below(4);
    if (action == 0) return route();
    if (pins == kNoSlot) {
      policy_.on_insert(expert);
      pins = 1;
    } else if (pins == 0 && action == 1) {
      policy_.on_hit(expert);
      policy_.on_pin(expert);
      pins = 1;
    } else if (pins == 1 && action == 2) {
      policy_.on_evict(expert);  // its bytes could not be read
      pins = kNoSlot;
    } else if (pins == 1) {
      policy_.on_unpin(expert);
      pins = 0;
    }
  }

  // Whether the policy's victim may be one, and is there exactly when there may be one. Evicts it at times.
  void check_victim() {
    const auto victim = policy_.victim();
    ASSERT_EQ(victim.has_value(), std::ranges::count(pins_, 0) > 0);
    ASSERT_EQ(policy_.victim(), victim);
    if (!victim) return;
    ASSERT_EQ(pins_.at(*victim), 0);
    if (!dice_.chance(0.3)) return;
    policy_.on_evict(*victim);
    pins_[*victim] = kNoSlot;
  }

 private:
  static constexpr int kNoSlot = -1;

  // Any layer, in or out of turn, and any number of distinct experts, none among them.
  void route() {
    const uint32_t layer = dice_.below(layers_);
    std::vector<uint32_t> experts;
    for (uint32_t expert = 0; expert < kExperts; ++expert)
      if (dice_.chance(0.3)) experts.push_back(index(layer, expert));
    policy_.on_route(layer, experts);
  }

  ForecastPolicy& policy_;
  uint32_t layers_;
  Dice dice_;
  std::vector<int> pins_;
};

TEST(ForecastPolicy, NeverNamesAPinnedOrAbsentExpertWhateverHappens) {
  for (const uint32_t layers : {1u, 3u, 20u}) {
    for (uint32_t seed = 0; seed < 10; ++seed) {
      ForecastPolicy policy(layers, kExperts);
      RandomStore store(policy, layers, seed);
      for (int i = 0; i < 2000; ++i) {
        store.act();
        ASSERT_NO_FATAL_FAILURE(store.check_victim()) << layers << " layers, seed " << seed << ", act " << i;
      }
    }
  }
}

}  // namespace
}  // namespace sluice
