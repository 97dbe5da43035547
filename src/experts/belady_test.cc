#include "experts/belady.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice {
namespace {

TEST(BeladyPolicy, TheOneNeededFurthestFromNowGoesFirst) {
  constexpr std::array<uint32_t, 7> kUses = {0, 1, 2, 1, 0, 2, 1};
  BeladyPolicy policy(3, kUses);
  for (const uint32_t expert : {0u, 1u, 2u}) {
    policy.on_insert(expert);
    policy.on_unpin(expert);
  }
  EXPECT_EQ(policy.victim(), 2u);
  policy.on_hit(1);  // next at the very end
  EXPECT_EQ(policy.victim(), 1u);
  policy.on_hit(0);  // never again
  EXPECT_EQ(policy.victim(), 0u);
  policy.on_evict(0);
  EXPECT_EQ(policy.victim(), 1u);
}

TEST(BeladyPolicy, PinnedExpertsAreNeverVictims) {
  constexpr std::array<uint32_t, 3> kUses = {0, 1, 1};
  BeladyPolicy policy(2, kUses);
  policy.on_insert(0);
  EXPECT_EQ(policy.victim(), std::nullopt);
  policy.on_unpin(0);
  policy.on_insert(1);
  policy.on_unpin(1);
  policy.on_pin(0);
  EXPECT_EQ(policy.victim(), 1u);
}

}  // namespace
}  // namespace sluice
