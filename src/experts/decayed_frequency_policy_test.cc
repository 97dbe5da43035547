#include "experts/decayed_frequency_policy.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice {
namespace {

// One token of a one-layer model: routed to these, which get slots if they have none.
template <class... Experts>
void token(DecayedFrequencyPolicy& policy, std::vector<bool>& held, Experts... experts) {
  const std::array<uint32_t, sizeof...(experts)> routed = {static_cast<uint32_t>(experts)...};
  policy.on_route(0, routed);
  for (const uint32_t expert : routed) {
    if (held[expert]) {
      policy.on_hit(expert);
    } else {
      policy.on_insert(expert);
      policy.on_unpin(expert);
      held[expert] = true;
    }
  }
}

class DecayedFrequency : public ::testing::Test {
 protected:
  DecayedFrequencyPolicy policy_{8};
  std::vector<bool> held_ = std::vector<bool>(8);
};

TEST_F(DecayedFrequency, TheOneUsedLeastOftenGoesFirst) {
  for (int i = 0; i < 3; ++i) token(policy_, held_, 1);
  for (int i = 0; i < 2; ++i) token(policy_, held_, 2);
  token(policy_, held_, 3);
  token(policy_, held_, 1);
  EXPECT_EQ(policy_.victim(), 3u);
  policy_.on_evict(3);
  EXPECT_EQ(policy_.victim(), 2u);
}

TEST_F(DecayedFrequency, TiesGoByRecency) {
  token(policy_, held_, 5);
  token(policy_, held_, 4);
  token(policy_, held_, 6);
  EXPECT_EQ(policy_.victim(), 5u);
}

TEST_F(DecayedFrequency, CountersAreHalvedAtEverySixteenthToken) {
  for (int i = 0; i < 6; ++i) token(policy_, held_, 1);
  for (int i = 0; i < 4; ++i) token(policy_, held_, 2);
  for (int i = 0; i < 5; ++i) token(policy_, held_, 3);  // 15 tokens: 6, 4 and 5
  token(policy_, held_, 0);                              // the 16th: 3, 2, 2 and 1
  token(policy_, held_, 7);
  policy_.on_evict(0);
  EXPECT_EQ(policy_.victim(), 2u);  // was used less recently than 3, which has as many now
}

TEST_F(DecayedFrequency, CountsOutliveTheSlot) {
  for (int i = 0; i < 3; ++i) token(policy_, held_, 1);
  policy_.on_evict(1);
  held_[1] = false;
  for (int i = 0; i < 2; ++i) token(policy_, held_, 2);
  token(policy_, held_, 1);
  token(policy_, held_, 3);
  EXPECT_EQ(policy_.victim(), 2u);
}

TEST_F(DecayedFrequency, WhatTheLastRouteAskedForGoesLast) {
  for (int i = 0; i < 9; ++i) token(policy_, held_, 1);
  token(policy_, held_, 2, 3);
  EXPECT_EQ(policy_.victim(), 1u);
  policy_.on_evict(1);
  EXPECT_EQ(policy_.victim(), 2u);
}

TEST_F(DecayedFrequency, PinnedExpertsAreNeverVictims) {
  policy_.on_insert(1);
  EXPECT_EQ(policy_.victim(), std::nullopt);
  policy_.on_unpin(1);
  policy_.on_insert(2);
  policy_.on_pin(1);
  EXPECT_EQ(policy_.victim(), std::nullopt);
  policy_.on_unpin(2);
  EXPECT_EQ(policy_.victim(), 2u);
}

}  // namespace
}  // namespace sluice
