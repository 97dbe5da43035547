#include "engine/near_choice.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace sluice {
namespace {

using Ids = std::vector<uint32_t>;

// Their standard deviation is near 0.34; experts 2 and 3 are 1e-5 apart, the others far from each other.
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
std::vector<float> some_scores() {
  return {1.2F, 0.9F, 0.50001F, 0.5F, 0.3F};
}
constexpr double kTolerance = 1e-4;

TEST(NearChoice, TwoThatAreTooNearToTellAreATieWhicheverIsNamedFirst) {
  const auto scores = some_scores();
  const NearChoice choice(scores, kTolerance);
  EXPECT_TRUE(choice.is_near(Ids{0, 1, 2}));
  EXPECT_TRUE(choice.is_tie(Ids{0, 1, 2}, Ids{3, 1, 0}));
}

TEST(NearChoice, AClearLeadIsNoTie) {
  const auto scores = some_scores();
  const NearChoice choice(scores, kTolerance);
  EXPECT_FALSE(choice.is_near(Ids{0, 1}));
  EXPECT_FALSE(choice.is_tie(Ids{0, 1}, Ids{0, 2}));
  EXPECT_FALSE(choice.is_tie(Ids{0, 1, 2}, Ids{0, 1, 4}));
  EXPECT_FALSE(NearChoice(scores, kTolerance / 10).is_tie(Ids{0, 1, 2}, Ids{0, 1, 3}));
}

// One near pair does not excuse another difference at its side.
TEST(NearChoice, EveryExpertThatDiffersMustBeNear) {
  const auto scores = some_scores();
  const NearChoice choice(scores, kTolerance);
  EXPECT_FALSE(choice.is_tie(Ids{0, 1, 2}, Ids{0, 3, 4}));
  EXPECT_FALSE(choice.is_tie(Ids{0, 2}, Ids{1, 3}));
}

TEST(NearChoice, ARouterThatDoesNotTakeItsBestIsNotExcused) {
  const auto scores = some_scores();
  EXPECT_FALSE(NearChoice(scores, kTolerance).is_tie(Ids{0, 1, 3}, Ids{0, 1, 2}));
}

TEST(NearChoice, EqualSetsAreNoTie) {
  const auto scores = some_scores();
  EXPECT_FALSE(NearChoice(scores, kTolerance).is_tie(Ids{0, 1, 2}, Ids{2, 0, 1}));
}

TEST(NearChoice, EqualScoresAreATieAtAnyTolerance) {
  const std::vector<float> scores = {1.0F, 0.5F, 0.5F};
  EXPECT_TRUE(NearChoice(scores, 0).is_tie(Ids{0, 1}, Ids{0, 2}));
}

TEST(NearChoice, WhatIsNoNumberIsNearNothing) {
  auto scores = some_scores();
  for (const size_t place : {2U, 3U, 4U}) {
    scores = some_scores();
    scores[place] = kNan;
    const NearChoice choice(scores, kTolerance);
    EXPECT_FALSE(choice.is_near(Ids{0, 1, 2})) << place;
    EXPECT_FALSE(choice.is_tie(Ids{0, 1, 2}, Ids{0, 1, 3})) << place;
  }
}

TEST(NearChoice, TheToleranceIsAShareOfTheScoresSpread) {
  auto scores = some_scores();
  for (float& score : scores) score *= 1024;
  EXPECT_TRUE(NearChoice(scores, kTolerance).is_tie(Ids{0, 1, 2}, Ids{0, 1, 3}));
}

TEST(NearChoice, SortsTheBestFirstAndOfEqualsTheLower) {
  const std::vector<float> scores = {0.5F, 0.9F, 0.5F, 1.0F};
  Ids experts = {2, 0, 1, 3};
  NearChoice(scores, 0).sort_by_score(experts);
  EXPECT_EQ(experts, (Ids{3, 1, 0, 2}));
}

}  // namespace
}  // namespace sluice
