// The store with slots: capacity, sharing of reads, who is evicted and who never.
#include "experts/slot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::UnorderedElementsAre;

TEST(SlotStore, OneSlotServesARequestForEveryExpertOfALayer) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 1));
  EXPECT_THAT(ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7}),
              UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  const StreamCounters counters = store->counters();
  EXPECT_EQ(counters.misses, 8u);
  EXPECT_EQ(counters.evictions, 7u);
  EXPECT_GT(counters.wait_ns, 0u) << "each read began only when the expert before it was let go";
}

TEST(SlotStore, AMapShowsWhereExpertsAreAndHowOftenTheyWereAskedFor) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(3);
  ask_and_take(experts, *store, 1, {4, 5, 6});
  faults->hold();
  ExpertRequest request = request_or_die(*store, 1, {5, 7});  // 4 makes room
  auto swept = store->sweep(2, std::vector<uint32_t>{1});
  ASSERT_TRUE(swept.has_value());
  store->learn(2, std::vector<uint32_t>{1});
  store->learn(2, std::vector<uint32_t>{1});
  ExpertMap map;
  store->look(map);
  ASSERT_EQ(map.layers, TestExperts::kLayers);
  ASSERT_EQ(map.experts_per_layer, TestExperts::kExperts);
  std::vector<ExpertPlace> places(TestExperts::kLayers * TestExperts::kExperts, ExpertPlace::kDevice);
  std::vector<uint32_t> uses(places.size());
  places[8 + 5] = ExpertPlace::kMemory;
  places[8 + 7] = places[16 + 1] = ExpertPlace::kReading;
  uses[8 + 4] = uses[8 + 6] = uses[8 + 7] = 1;
  uses[8 + 5] = uses[16 + 1] = 2;
  EXPECT_EQ(map.places, places);
  EXPECT_EQ(map.uses, uses);
  faults->release();
  take_all(experts, request, 1, {5, 7});
  take_all(experts, *swept, 2, {1});
  store->look(map);
  places[8 + 7] = places[16 + 1] = ExpertPlace::kMemory;
  EXPECT_EQ(map.places, places);
  EXPECT_EQ(map.uses, uses);
}

TEST(SlotStore, HitsOfARequestDoNotStarveItsMisses) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 3));
  ask_and_take(experts, *store, 0, {0, 1, 2});
  // Every slot holds a hit that is pinned for this request; four misses want one.
  const auto order = ask_and_take(experts, *store, 0, {3, 4, 0, 5, 1, 6, 2});
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 3), (std::vector<uint32_t>{0, 1, 2}));
  EXPECT_THAT(order, UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_EQ(store->counters().hits, 3u);
}

TEST(SlotStore, ALeasedExpertIsNeverEvicted) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 2));
  ExpertRequest request = request_or_die(*store, 0, {4});
  const auto held = request.next();
  ASSERT_TRUE(held.has_value());
  for (uint32_t layer = 0; layer < TestExperts::kLayers; ++layer) {
    ask_and_take(experts, *store, layer, {0, 1, 2, 3, 5, 6, 7});
    ASSERT_TRUE(experts.holds(*held->lease, 0, 4));
  }
  const StreamCounters before = store->counters();
  ask_and_take(experts, *store, 0, {4});
  EXPECT_EQ((store->counters() - before).hits, 1u);
}

TEST(SlotStore, TheLeastRecentlyAskedForMakesRoom) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 3));
  for (const uint32_t id : {0u, 1u, 2u, 0u, 3u}) ask_and_take(experts, *store, 0, {id});  // 3 evicts 1
  const StreamCounters before = store->counters();
  ask_and_take(experts, *store, 0, {0, 2, 3});
  EXPECT_EQ((store->counters() - before).hits, 3u);
  EXPECT_EQ(store->counters().evictions, 1u);
}

TEST(SlotStore, AMissEvictsNothingThatItsOwnRequestAsksFor) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 3));
  for (const uint32_t id : {0u, 1u, 2u}) ask_and_take(experts, *store, 0, {id});
  // 0 is the oldest, but asked for after 3.
  ask_and_take(experts, *store, 0, {3, 0});
  const StreamCounters before = store->counters();
  ask_and_take(experts, *store, 0, {0, 2, 3});
  EXPECT_EQ((store->counters() - before).hits, 3u);
}

TEST(SlotStore, TwoRequestsThatMissTheSameExpertShareItsReads) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  faults->hold();
  ExpertRequest first = request_or_die(*store, 0, {1, 2});
  const uint64_t reads = faults->submitted();
  ExpertRequest second = request_or_die(*store, 0, {2, 1});
  EXPECT_EQ(faults->submitted(), reads);
  faults->release();
  take_all(experts, second, 0, {2, 1});
  take_all(experts, first, 0, {1, 2});
  EXPECT_EQ(store->counters().reads, reads);
  EXPECT_EQ(store->counters().misses, 4u);
}

TEST(SlotStore, AllMissesOfARequestAreInFlightTogether) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  faults->hold();
  ExpertRequest request = request_or_die(*store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
  const SlotLayout layout(experts.catalog(), faults->alignment_bytes());
  size_t reads = 0;
  for (uint32_t expert = 0; expert < 8; ++expert) reads += layout.reads(expert).size();
  EXPECT_EQ(faults->submitted(), reads);
  EXPECT_EQ(request.remaining(), 8u);
  faults->release();
  take_all(experts, request, 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST(SlotStore, WhatADroppedRequestHadReadIsKeptForOthers) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  faults->hold();
  { const ExpertRequest dropped = request_or_die(*store, 0, {0, 1, 2, 3}); }  // 2 and 3 never got a slot
  ExpertRequest other = request_or_die(*store, 0, {1, 5});
  faults->release();
  take_all(experts, other, 0, {1, 5});
  // 0 and 1 were read for the dropped request, 5 for the other; 2 and 3 for nobody.
  EXPECT_EQ(store->counters().misses, 6u);
  EXPECT_EQ(store->counters().evictions, 1u);
}

TEST(SlotStore, AnArrivalOvertakesTheReadsThatAreStillOnTheirWay) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  ask_and_take(experts, *store, 0, {6});
  faults->hold();
  ExpertRequest request = request_or_die(*store, 0, {1, 6});
  EXPECT_EQ(request.ready(), 1u);
  const auto hit = request.next();  // although nothing else can arrive now
  ASSERT_TRUE(hit.has_value());
  EXPECT_EQ(hit->index, 1u);
  EXPECT_EQ(request.ready(), 0u);
  faults->release();
  EXPECT_EQ(take_all(experts, request, 0, {1, 6}), (std::vector<uint32_t>{1}));
}

TEST(SlotStore, ALeaseReleasedOnAnotherThreadServesTheRequestThatWaits) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 1));
  ExpertRequest first = request_or_die(*store, 0, {0});
  auto held = first.next();
  ASSERT_TRUE(held.has_value());
  ExpertRequest second = request_or_die(*store, 1, {3});
  std::thread releaser(
      [lease = std::move(*held->lease)]() mutable { const ExpertLease ends = std::move(lease); });
  take_all(experts, second, 1, {3});
  releaser.join();
}

TEST(SlotStore, CountsTheBytesThatTheReadsMoved) {
  TestExperts experts;
  const auto [store, faults] = experts.open_faulty(4);
  ask_and_take(experts, *store, 0, {0});
  const SlotLayout layout(experts.catalog(), faults->alignment_bytes());
  uint64_t least_bytes = 0;
  uint64_t most_bytes = 0;
  for (const SlotRead& read : layout.reads(0)) {
    least_bytes += read.needed_bytes;
    most_bytes += read.size_bytes;
  }
  EXPECT_EQ(store->counters().reads, layout.reads(0).size());
  EXPECT_GE(store->counters().read_bytes, least_bytes);
  EXPECT_LE(store->counters().read_bytes, most_bytes);
}

}  // namespace
}  // namespace sluice
