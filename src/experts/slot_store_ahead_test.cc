// The store with slots: what is read before it is asked for, and sweeps that leave warm experts alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "experts/prefetch_queue.h"
#include "experts/slot_store.h"
#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::UnorderedElementsAre;

using Ids = std::vector<uint32_t>;

// Sweeps `ids` of a layer, checks their bytes; the ids in order of arrival.
Ids sweep_and_take(const TestExperts& experts, ExpertStore& store, uint32_t layer, const Ids& ids) {
  auto request = store.sweep(layer, ids);
  if (!request) {
    ADD_FAILURE() << request.error().message;
    return {};
  }
  return take_all(experts, *request, layer, ids);
}

uint64_t hits_of(const TestExperts& experts, ExpertStore& store, uint32_t layer, const Ids& ids) {
  const StreamCounters before = store.counters();
  ask_and_take(experts, store, layer, ids);
  return (store.counters() - before).hits;
}

// A request that waits until whatever was prefetched before it has arrived: its own read begins after those.
void wait_for_reads(const TestExperts& experts, ExpertStore& store, FaultyReader& faults) {
  faults.release();
  while (store.counters().reads < faults.submitted()) ask_and_take(experts, store, 2, {7});
}

size_t reads_of(const TestExperts& experts, const FaultyReader& faults, uint32_t expert) {
  return SlotLayout(experts.catalog(), faults.alignment_bytes()).reads(expert).size();
}

TEST(Prefetch, IsAHitForWhoeverAsksLater) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(6);
  for (const Foresight foresight : {Foresight::kCertain, Foresight::kLikely, Foresight::kWarm}) {
    const auto layer = static_cast<uint32_t>(foresight);
    store->prefetch(layer, Ids{3}, foresight, false);
    wait_for_reads(experts, *store, *faults);
    EXPECT_EQ(hits_of(experts, *store, layer, {3}), 1u);
  }
  const StreamCounters counters = store->counters();
  EXPECT_GT(counters.prefetched_bytes, 0u);
  EXPECT_EQ(counters.prefetch_useful_bytes, counters.prefetched_bytes);
  EXPECT_EQ(counters.prefetch_wasted_bytes, 0u);
}

TEST(Prefetch, IsJoinedByWhoeverAsksWhileItIsRead) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(6);
  faults->hold();
  store->prefetch(0, Ids{3}, Foresight::kLikely, false);
  const uint64_t reads = faults->submitted();
  EXPECT_EQ(reads, reads_of(experts, *faults, 3));
  ExpertRequest request = request_or_die(*store, 0, {3});
  EXPECT_EQ(faults->submitted(), reads);
  faults->release();
  take_all(experts, request, 0, {3});
  EXPECT_EQ(store->counters().prefetch_useful_bytes, experts.catalog().expert_bytes(3));
}

TEST(Prefetch, LikelyOnesWaitUntilNothingElseIsRead) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(6);
  faults->hold();
  ExpertRequest request = request_or_die(*store, 0, {0});
  const uint64_t demanded = faults->submitted();
  store->prefetch(1, Ids{1}, Foresight::kLikely, false);
  EXPECT_EQ(faults->submitted(), demanded);
  store->prefetch(2, Ids{2}, Foresight::kCertain, false);
  const uint64_t certain = faults->submitted();
  EXPECT_EQ(certain, demanded + reads_of(experts, *faults, 16 + 2));
  faults->release();
  take_all(experts, request, 0, {0});
  // The guess is submitted some time after the reads before it have ended.
  while (store->counters().reads < certain + reads_of(experts, *faults, 8 + 1)) std::this_thread::yield();
  EXPECT_EQ(hits_of(experts, *store, 1, {1}), 1u);
}

TEST(Prefetch, BeginsNothingWhileAMissWaitsForASlot) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(1);
  faults->hold();
  ExpertRequest request = request_or_die(*store, 0, {0, 1});
  const uint64_t demanded = faults->submitted();
  store->prefetch(2, Ids{2}, Foresight::kCertain, false);
  EXPECT_EQ(faults->submitted(), demanded);
  faults->release();
  take_all(experts, request, 0, {0, 1});
}

TEST(Prefetch, WhatHasNotBegunWhenItsLayerIsAskedForIsDropped) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  faults->hold();
  ExpertRequest first = request_or_die(*store, 0, {0});
  store->prefetch(1, Ids{1, 2, 3}, Foresight::kLikely, false);
  ExpertRequest second = request_or_die(*store, 1, {4});
  const uint64_t demanded = faults->submitted();
  faults->release();
  take_all(experts, first, 0, {0});
  take_all(experts, second, 1, {4});
  EXPECT_EQ(faults->submitted(), demanded);
  EXPECT_EQ(store->counters().prefetched_bytes, 0u);
}

TEST(Prefetch, ANearerGuessTakesThePlaceOfAnOlderOne) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  faults->hold();
  ExpertRequest request = request_or_die(*store, 0, {0});
  store->prefetch(2, Ids{1, 2}, Foresight::kLikely, false);
  store->prefetch(1, Ids{5}, Foresight::kLikely, false);
  store->prefetch(2, Ids{3}, Foresight::kLikely, false);
  faults->release();
  take_all(experts, request, 0, {0});
  wait_for_reads(experts, *store, *faults);
  EXPECT_EQ(store->counters().prefetched_bytes,
            experts.catalog().expert_bytes(8 + 5) + experts.catalog().expert_bytes(16 + 3));
}

TEST(Prefetch, CountsWhatNobodyAskedForAsWastedWhenItGoes) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  store->prefetch(0, Ids{5}, Foresight::kLikely, false);
  wait_for_reads(experts, *store, *faults);  // one that is not read yet would make room for nothing
  ask_and_take(experts, *store, 1, {0, 1, 2, 3});
  const StreamCounters counters = store->counters();
  EXPECT_EQ(counters.prefetch_useful_bytes, 0u);
  EXPECT_EQ(counters.prefetch_wasted_bytes, experts.catalog().expert_bytes(5));
}

TEST(Prefetch, NeverEvictsAHotterExpert) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(3, "decayed-frequency");
  for (int use = 0; use < 3; ++use) ask_and_take(experts, *store, 0, {0, 1, 2});
  store->prefetch(1, Ids{0}, Foresight::kLikely, false);
  store->prefetch(1, Ids{1}, Foresight::kCertain, false);
  EXPECT_EQ(store->counters().prefetched_bytes, 0u);
  EXPECT_EQ(hits_of(experts, *store, 0, {0, 1, 2}), 3u);
}

TEST(Prefetch, WarmOnesTakeFreeSlotsOnly) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(3);
  ask_and_take(experts, *store, 0, {0, 1});
  store->prefetch(1, Ids{0, 1, 2}, Foresight::kWarm, false);
  wait_for_reads(experts, *store, *faults);
  EXPECT_EQ(store->counters().prefetched_bytes, experts.catalog().expert_bytes(8));
}

TEST(Prefetch, AFailedReadIsNobodysErrorAndIsReadAgain) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  faults->fail_op(0);
  faults->hold();
  store->prefetch(0, Ids{3}, Foresight::kCertain, false);
  ExpertRequest request = request_or_die(*store, 0, {3});
  faults->release();
  EXPECT_EQ(take_all(experts, request, 0, {3}), Ids{3});
  EXPECT_EQ(store->counters().failed_reads, 1u);
}

TEST(Prefetch, OfWhatDoesNotExistIsIgnored) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 4));
  store->prefetch(TestExperts::kLayers, Ids{0}, Foresight::kCertain, false);
  store->prefetch(0, Ids{TestExperts::kExperts}, Foresight::kCertain, false);
  store->learn(TestExperts::kLayers, Ids{0});
  EXPECT_EQ(store->counters().prefetched_bytes, 0u);
}

TEST(Prefetch, AStoreMayEndWithGuessesUnderWay) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  faults->hold();
  store->prefetch(0, Ids{0, 1, 2, 3, 4, 5, 6, 7}, Foresight::kCertain, false);
  store.reset();
}

TEST(PrefetchQueue, StopsGuessingWhereItDoesNotPayAndTriesAgain) {
  PrefetchQueue queue;
  EXPECT_TRUE(queue.wants_likely());
  for (int i = 0; i < 200; ++i) queue.record(false);
  int wanted = 0;
  for (int i = 0; i < 160; ++i) wanted += queue.wants_likely() ? 1 : 0;
  EXPECT_EQ(wanted, 10);
  for (int i = 0; i < 200; ++i) queue.record(true);
  EXPECT_TRUE(queue.wants_likely());
  EXPECT_TRUE(queue.wants_likely());
}

TEST(PrefetchQueue, HandsOutTheSurestFirst) {
  PrefetchQueue queue;
  queue.add({1, 0, Foresight::kWarm, false});
  queue.add({2, 0, Foresight::kLikely, false});
  queue.add({3, 0, Foresight::kCertain, false});
  EXPECT_EQ(queue.pop(false)->expert, 3u);
  EXPECT_FALSE(queue.pop(false));
  EXPECT_EQ(queue.pop(true)->expert, 2u);
  EXPECT_EQ(queue.pop(true)->expert, 1u);
  EXPECT_FALSE(queue.pop(true));
}

TEST(Sweep, LeavesWhatTokensKeepWarm) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 16));
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
  ask_and_take(experts, *store, 1, {0, 1, 2, 3, 4, 5, 6, 7});
  // 16 slots are full; the sweep of a third layer may take four of them.
  EXPECT_THAT(sweep_and_take(experts, *store, 2, {0, 1, 2, 3, 4, 5, 6, 7}),
              UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(hits_of(experts, *store, 1, {0, 1, 2, 3, 4, 5, 6, 7}), 8u);
  EXPECT_GE(hits_of(experts, *store, 0, {7, 6, 5, 4}), 4u);
}

TEST(Sweep, ReadsEveryExpertOnce) {
  TestExperts experts;
  for (const size_t slots : {1u, 2u, 5u, 24u}) {
    auto [store, faults] = experts.open_faulty(slots);
    uint64_t reads = 0;
    for (uint32_t layer = 0; layer < TestExperts::kLayers; ++layer) {
      sweep_and_take(experts, *store, layer, {0, 1, 2, 3, 4, 5, 6, 7});
      for (uint32_t id = 0; id < 8; ++id) reads += reads_of(experts, *faults, layer * 8 + id);
    }
    EXPECT_EQ(faults->submitted(), reads) << slots << " slots";
  }
}

TEST(Sweep, ReadsAheadWhileAnExpertIsComputed) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  auto request = store->sweep(0, Ids{0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(request);
  const auto held = request->next();
  ASSERT_TRUE(held);
  EXPECT_GT(faults->submitted(), reads_of(experts, *faults, static_cast<uint32_t>(held->index)));
}

TEST(Sweep, GuessesForItDoNotDisplaceEachOther) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  ask_and_take(experts, *store, 2, {4, 5, 6, 7});
  sweep_and_take(experts, *store, 0, {0, 1, 2, 3});  // takes its four slots
  const uint64_t before = faults->submitted();
  store->prefetch(1, Ids{0, 1, 2, 3, 4, 5, 6, 7}, Foresight::kCertain, true);
  uint64_t four = 0;
  for (uint32_t id = 0; id < 4; ++id) four += reads_of(experts, *faults, 8 + id);
  EXPECT_EQ(faults->submitted(), before + four);
  sweep_and_take(experts, *store, 1, {0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(store->counters().prefetch_wasted_bytes, 0u);
  EXPECT_GT(store->counters().prefetch_useful_bytes, 0u);
}

TEST(Sweep, WhatATokenAsksForOfItIsKept) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 4));
  ask_and_take(experts, *store, 0, {0, 1, 2, 3});
  sweep_and_take(experts, *store, 1, {0});  // in a slot that it took from 0
  ask_and_take(experts, *store, 1, {0});
  sweep_and_take(experts, *store, 2, {0, 1, 2});  // take those of 1, 2 and 3
  EXPECT_EQ(hits_of(experts, *store, 1, {0}), 1u);
}

TEST(Sweep, WhatIsLearntFromItIsKept) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kDirect, 8));
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
  sweep_and_take(experts, *store, 1, {0, 1, 2, 3});
  store->learn(1, Ids{2});
  ask_and_take(experts, *store, 2,
               {0, 1, 2});  // take the sweep's slots, but for the one that was learnt from
  EXPECT_EQ(hits_of(experts, *store, 1, {2}), 1u);
}

}  // namespace
}  // namespace sluice
