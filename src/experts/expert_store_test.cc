// What every store promises, in each of the three modes.
#include "experts/expert_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr size_t kAll = size_t{TestExperts::kLayers} * TestExperts::kExperts;

class EveryMode : public testing::TestWithParam<StreamMode> {
 protected:
  EveryMode() : store_(experts_.open(options_of(GetParam(), kAll))) {}

  TestExperts experts_;
  std::unique_ptr<ExpertStore> store_;
};

INSTANTIATE_TEST_SUITE_P(Modes, EveryMode,
                         testing::Values(StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect),
                         [](const auto& mode) { return std::string(stream_mode_name(mode.param)); });

TEST_P(EveryMode, BringsTheBytesOfEveryExpert) {
  for (uint32_t layer = 0; layer < TestExperts::kLayers; ++layer) {
    for (int round = 0; round < 2; ++round) {
      EXPECT_THAT(ask_and_take(experts_, *store_, layer, {7, 0, 3, 1, 2, 4, 6, 5}),
                  UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
    }
  }
  EXPECT_EQ(store_->mode(), GetParam());
}

TEST_P(EveryMode, SecondTimeIsAHitAndCountsAsOne) {
  ask_and_take(experts_, *store_, 1, {2, 4});
  const StreamCounters before = store_->counters();
  EXPECT_EQ(ask_and_take(experts_, *store_, 1, {4, 2}), (std::vector<uint32_t>{4, 2}))
      << "hits come as asked for";
  const StreamCounters spent = store_->counters() - before;
  EXPECT_EQ(spent.hits, 2u);
  EXPECT_EQ(spent.misses, 0u);
  EXPECT_EQ(spent.reads, 0u);
  EXPECT_EQ(spent.read_bytes, 0u);
  EXPECT_EQ(spent.wait_ns, 0u);
}

TEST_P(EveryMode, LeasesOutliveTheirRequestAndSurviveMoves) {
  std::vector<std::optional<ExpertLease>> leases(2);  // by position in the request
  {
    ExpertRequest request = request_or_die(*store_, 0, {5, 6});
    ExpertRequest moved = std::move(request);
    while (moved.remaining() > 0) {
      auto arrival = moved.next();
      ASSERT_TRUE(arrival.has_value());
      leases[arrival->index] = std::move(*arrival->lease);
    }
  }
  EXPECT_TRUE(experts_.holds(*leases[0], 0, 5));
  EXPECT_TRUE(experts_.holds(*leases[1], 0, 6));
  *leases[0] = std::move(*leases[1]);
  leases[1].reset();
  EXPECT_TRUE(experts_.holds(*leases[0], 0, 6));
}

TEST_P(EveryMode, AnEmptyRequestHasNothingToHandOut) {
  ExpertRequest request = request_or_die(*store_, 0, {});
  EXPECT_EQ(request.remaining(), 0u);
  EXPECT_EQ(request.ready(), 0u);
  const auto arrival = request.next();
  ASSERT_FALSE(arrival.has_value());
  EXPECT_EQ(arrival.error().code, ErrorCode::kInvalidArgument);
}

TEST_P(EveryMode, AnIdGivenTwiceArrivesTwice) {
  EXPECT_EQ(ask_and_take(experts_, *store_, 2, {3, 3}), (std::vector<uint32_t>{3, 3}));
}

TEST_P(EveryMode, RefusesWhatDoesNotExist) {
  const std::vector<uint32_t> too_large = {0, TestExperts::kExperts};
  const auto expert = store_->request(1, too_large);
  ASSERT_FALSE(expert.has_value());
  EXPECT_EQ(expert.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(expert.error().message, HasSubstr("expert 8"));
  const auto layer = store_->request(TestExperts::kLayers, {});
  ASSERT_FALSE(layer.has_value());
  EXPECT_THAT(layer.error().message, HasSubstr("layer 3"));
}

TEST_P(EveryMode, RequestsMayBeDroppedAtAnyTime) {
  for (size_t taken = 0; taken <= 3; ++taken) {
    ExpertRequest request = request_or_die(*store_, 0, {1, 2, 3});
    for (size_t i = 0; i < taken; ++i) EXPECT_TRUE(request.next().has_value());
  }
  EXPECT_THAT(ask_and_take(experts_, *store_, 0, {1, 2, 3}), UnorderedElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace sluice
