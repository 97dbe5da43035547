#include "experts/lru_policy.h"

#include <gtest/gtest.h>

#include <optional>

namespace sluice {
namespace {

void insert_unpinned(LruPolicy& policy, uint32_t expert) {
  policy.on_insert(expert);
  policy.on_unpin(expert);
}

TEST(LruPolicy, TheOneAskedForLongestAgoGoesFirst) {
  LruPolicy policy(10);
  for (const uint32_t expert : {3u, 1u, 2u}) insert_unpinned(policy, expert);
  EXPECT_EQ(policy.victim(), 3u);
  policy.on_hit(3);
  EXPECT_EQ(policy.victim(), 1u);
  policy.on_evict(1);
  EXPECT_EQ(policy.victim(), 2u);
}

TEST(LruPolicy, PinnedExpertsAreNeverVictims) {
  LruPolicy policy(10);
  policy.on_insert(4);
  EXPECT_EQ(policy.victim(), std::nullopt);
  insert_unpinned(policy, 5);
  policy.on_hit(5);
  policy.on_pin(5);
  EXPECT_EQ(policy.victim(), std::nullopt);
  policy.on_unpin(5);
  EXPECT_EQ(policy.victim(), 5u);
}

TEST(LruPolicy, WhenAnExpertIsLetGoDoesNotMatter) {
  LruPolicy policy(10);
  policy.on_insert(1);
  policy.on_insert(2);
  policy.on_unpin(2);
  policy.on_unpin(1);
  EXPECT_EQ(policy.victim(), 1u);
}

TEST(LruPolicy, AnExpertThatFailedIsForgottenAndMayComeBack) {
  LruPolicy policy(10);
  policy.on_insert(1);
  policy.on_evict(1);
  EXPECT_EQ(policy.victim(), std::nullopt);
  insert_unpinned(policy, 1);
  EXPECT_EQ(policy.victim(), 1u);
}

}  // namespace
}  // namespace sluice
