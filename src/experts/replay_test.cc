#include "experts/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "experts/test_traces.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr double kShares[] = {0.08, 0.15, 0.25, 0.40};

double percent(const Trace& trace, std::string_view policy, double share) {
  const auto row = replay(trace, policy, share);
  EXPECT_TRUE(row) << row.error().message;
  return row ? 100 * row->hit_rate() : -1;
}

// It looks one visit ahead, which is too little to do well here.
TEST(Replay, TheForecastHitsNowAndThenOnCyclesOnWhichLruNeverDoes) {
  const Trace trace = testing::cyclic_trace(300);
  EXPECT_EQ(percent(trace, "lru", 0.4), 0.0);
  EXPECT_GT(percent(trace, "forecast", 0.4), 2.0);
}

TEST(Replay, TheSameRunGivesTheSameCounts) {
  const Trace trace = testing::topics_trace(100);
  for (const ReplayPolicy& policy : replay_policies()) {
    const auto first = replay(trace, policy.name, 0.2);
    const auto second = replay(trace, policy.name, 0.2);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->hits, second->hits) << policy.name;
  }
}

TEST(Replay, NoPolicyKnowsTheFuture) {
  // Whatever comes later, the first half of a run goes the same way.
  const Trace whole = testing::topics_trace(200);
  Trace half = whole;
  half.routes.resize(whole.routes.size() / 2);
  Trace changed = whole;
  for (size_t i = half.routes.size(); i < changed.routes.size(); ++i)
    for (uint32_t& expert : changed.routes[i].experts) expert = (expert + 1) % changed.header.experts;
  for (size_t i = half.routes.size(); i < changed.routes.size(); ++i) {
    changed.routes[i].phase = TracePhase::kPrefill;  // not counted
  }
  for (const ReplayPolicy& policy : replay_policies()) {
    if (policy.name == "belady") continue;
    EXPECT_EQ(replay(half, policy.name, 0.2)->hits, replay(changed, policy.name, 0.2)->hits) << policy.name;
  }
}

TEST(Replay, CapacitiesAreRoundedDownToWholeSlotsOfALayer) {
  const Trace trace = testing::uniform_trace(3);
  EXPECT_EQ(replay(trace, "lru", 0.08)->slots, 5u * testing::kMadeUpLayers);  // 5.12
  EXPECT_EQ(replay(trace, "lru-per-layer", 0.08)->slots, 5u * testing::kMadeUpLayers);
  EXPECT_EQ(replay(trace, "lru", 1.0)->slots, 64u * testing::kMadeUpLayers);
  Trace twenty = trace;
  twenty.header.experts = 64 + 36;
  EXPECT_EQ(replay(twenty, "lru", 0.29)->slots, 29u * testing::kMadeUpLayers);  // 0.29 × 100 < 29 in binary
}

TEST(Replay, CountsDecodeAloneWithACacheThatPrefillWarmed) {
  const auto trace = parse_trace(
      "# sluice-trace v1\n# model=m layers=1 experts=4 experts_per_token=1 expert_bytes=1\n"
      "phase,token,layer,experts,weights\nprefill,0,0,2,1\ndecode,1,0,2,1\ndecode,2,0,3,1\n",
      "t.csv");
  ASSERT_TRUE(trace) << trace.error().message;
  const auto row = replay(*trace, "lru", 0.5);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->hits, 1u);
  EXPECT_EQ(row->misses, 1u);
  EXPECT_EQ(row->decode_tokens, 2u);
}

TEST(Replay, AllPoliciesAreReplayedInTheOrderOfTheirNames) {
  const Trace trace = testing::uniform_trace(5);
  const auto rows = replay_all(trace, "all", kShares);
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 4 * replay_policies().size());
  for (size_t i = 0; i < rows->size(); ++i) {
    EXPECT_EQ((*rows)[i].policy, replay_policies()[i % replay_policies().size()].name);
    EXPECT_EQ((*rows)[i].share, kShares[i / replay_policies().size()]);
  }
  const auto two = replay_all(trace, "belady, lru", {{0.5}});
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(two->size(), 2u);
  EXPECT_EQ(two->back().policy, "lru");
}

TEST(Replay, SaysHowFarItIsOverAllReplays) {
  const Trace trace = testing::uniform_trace(5);  // and 16 tokens before
  std::vector<uint64_t> done;
  const auto on_progress = [&](uint64_t done_tokens, uint64_t total_tokens) {
    EXPECT_EQ(total_tokens, 21u * 2 * 4);
    done.push_back(done_tokens);
  };
  ASSERT_TRUE(replay_all(trace, "lru,belady", kShares, on_progress));
  ASSERT_EQ(done.size(), 21u * 2 * 4 + 1);
  for (size_t i = 0; i < done.size(); ++i) EXPECT_EQ(done[i], i);
}

TEST(Replay, RefusesWhatItCannotPlay) {
  const Trace trace = testing::uniform_trace(2);
  EXPECT_THAT(replay(trace, "fifo", 0.5).error().message,
              HasSubstr("no policy \"fifo\"; there are lru-per-layer,"));
  EXPECT_THAT(replay(trace, "lru", 0.01).error().message, HasSubstr("give at least 1.56 %"));
  for (const double share : {0.0, -1.0, 1.5, std::nan("")})
    EXPECT_EQ(replay(trace, "lru", share).error().code, ErrorCode::kInvalidArgument) << share;
  EXPECT_FALSE(replay_all(trace, "lru,,belady", kShares));
  const auto never = [](uint64_t, uint64_t) { ADD_FAILURE() << "played before everything was looked at"; };
  EXPECT_FALSE(replay_all(trace, "lru,fifo", kShares, never));
  EXPECT_FALSE(replay_all(trace, "lru", {{0.5, 0.01}}, never));
}

TEST(Replay, SharesAreReadAsPeopleWriteThem) {
  EXPECT_EQ(*parse_shares("8%, 15%,0.25,100%"), (std::vector<double>{0.08, 0.15, 0.25, 1.0}));
  for (const char* bad : {"", "8%,", "%", "8 %", "0", "-5%", "101%", "1.5", "nan", "inf", "1e-1", "8%%"})
    EXPECT_EQ(parse_shares(bad).error().code, ErrorCode::kInvalidArgument) << bad;
}

}  // namespace
}  // namespace sluice
