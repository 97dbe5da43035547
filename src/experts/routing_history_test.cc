#include "experts/routing_history.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace sluice {
namespace {

constexpr uint32_t kHistoryLayers = 3;
constexpr uint32_t kHistoryExperts = 8;

// Tokens of three layers with one expert each.
class RoutingHistoryTest : public ::testing::Test {
 protected:
  void see(uint32_t layer, uint32_t expert) {
    const std::array<uint32_t, 1> experts = {expert};
    const std::array<float, 1> rarity = {1.0F};
    history_.observe(layer, experts, rarity);
  }
  void token(uint32_t first, uint32_t second, uint32_t third) {
    history_.begin_token();
    see(0, first);
    see(1, second);
    see(2, third);
  }
  std::vector<float> votes(uint32_t layer, size_t range = RoutingHistory::kToken) const {
    std::vector<float> votes(kHistoryExperts, -1.0F);
    history_.vote(layer, range, votes);
    return votes;
  }

  RoutingHistory history_{kHistoryLayers, kHistoryExperts, 8};
};

TEST_F(RoutingHistoryTest, NobodyVotesBeforeThereIsAPast) {
  token(1, 2, 3);
  for (const float vote : votes(0)) EXPECT_EQ(vote, 0.0F);
}

TEST_F(RoutingHistoryTest, ATokenThatBeginsLikeAPastOneIsExpectedToGoOnLikeIt) {
  token(1, 2, 3);
  token(4, 5, 6);
  token(7, 7, 7);
  history_.begin_token();
  see(0, 4);
  EXPECT_FLOAT_EQ(votes(1)[5], 1.0F);
  EXPECT_FLOAT_EQ(votes(2)[6], 1.0F);
}

TEST_F(RoutingHistoryTest, LayersThatWerePassedAreExpectedToFollowThePastTokensSuccessor) {
  token(1, 2, 3);
  token(4, 5, 6);
  token(7, 7, 7);
  token(1, 2, 3);
  for (const uint32_t layer : {0u, 1u, 2u}) EXPECT_GT(votes(layer)[4 + layer], 0.9F) << layer;
}

TEST_F(RoutingHistoryTest, LaterVisitsAreForetoldByWhatPastTokensAskedForThen) {
  token(1, 2, 3);
  token(4, 5, 6);
  token(7, 0, 7);
  token(0, 7, 0);
  history_.begin_token();
  see(0, 1);
  std::vector<float> behind(kHistoryExperts, 0.5F);
  history_.add_votes(0, RoutingHistory::kToken, 1, 2.0F, behind);
  EXPECT_FLOAT_EQ(behind[7], 2.5F);  // added, times the weight
  EXPECT_FLOAT_EQ(behind[4], 0.5F);
  std::vector<float> ahead(kHistoryExperts);
  history_.add_votes(2, RoutingHistory::kToken, 1, 1.0F, ahead);
  EXPECT_FLOAT_EQ(ahead[6], 1.0F);
}

TEST_F(RoutingHistoryTest, WhoHasNotComeAsFarDoesNotVote) {
  // The history holds 8 tokens, so that no two of these are alike.
  for (uint32_t i = 0; i < 24; ++i) token(i % kHistoryExperts, i % kHistoryExperts, i % kHistoryExperts);
  token(0, 0, 0);
  token(0, 0, 0);
  for (uint32_t later = 0; later < 12; ++later) {
    for (const uint32_t layer : {0u, 1u, 2u}) {
      std::vector<float> votes(kHistoryExperts);
      history_.add_votes(layer, RoutingHistory::kToken, later, 1.0F, votes);
      // Of the one past token like the present one, no more than its successor is known.
      EXPECT_EQ(std::accumulate(votes.begin(), votes.end(), 0.0F), later == 0 ? 1.0F : 0.0F)
          << later << " " << layer;
    }
  }
}

TEST_F(RoutingHistoryTest, VotesOfARangeAddUpToTheExpertsOfARoute) {
  token(1, 2, 3);
  token(1, 5, 6);
  token(1, 2, 6);
  for (const size_t range : {RoutingHistory::kToken, RoutingHistory::kTopic}) {
    const auto all = votes(1, range);
    EXPECT_FLOAT_EQ(std::accumulate(all.begin(), all.end(), 0.0F), 1.0F);
  }
}

TEST_F(RoutingHistoryTest, WhatIsRarelySharedTellsMore) {
  const std::array<float, 1> telling = {5.0F};
  const std::array<float, 1> common = {0.5F};
  token(1, 2, 3);
  token(4, 5, 6);
  history_.begin_token();
  const std::array<uint32_t, 1> like_the_first = {1};
  const std::array<uint32_t, 1> like_the_second = {5};
  history_.observe(0, like_the_first, telling);
  history_.observe(1, like_the_second, common);
  EXPECT_GT(votes(2)[3], votes(2)[6]);
}

TEST_F(RoutingHistoryTest, OldTokensAreForgotten) {
  token(1, 2, 3);
  for (int i = 0; i < 8; ++i) token(7, 7, 7);
  history_.begin_token();
  see(0, 1);
  EXPECT_EQ(votes(1)[2], 0.0F);
}

TEST_F(RoutingHistoryTest, LayersMayBeMissing) {
  history_.begin_token();
  see(0, 1);
  token(1, 5, 6);
  history_.begin_token();
  see(0, 1);
  const auto all = votes(2);
  EXPECT_GT(all[6], 0.0F);
  EXPECT_LT(all[6], 1.0F);  // the first token has nothing to say about this layer
}

TEST_F(RoutingHistoryTest, TheWeakestOfAWideRouteAreNotRemembered) {
  RoutingHistory history(1, 64, 4);
  std::vector<uint32_t> all(64);
  std::iota(all.begin(), all.end(), 0U);
  const std::vector<float> rarity(64, 1.0F);
  std::vector<float> votes(64);
  for (int i = 0; i < 2; ++i) {
    history.begin_token();
    history.observe(0, all, rarity);
  }
  history.vote(0, RoutingHistory::kToken, votes);
  EXPECT_GT(votes[RoutingHistory::kMaxRoute - 1], 0.0F);
  EXPECT_EQ(votes[RoutingHistory::kMaxRoute], 0.0F);
}

}  // namespace
}  // namespace sluice
