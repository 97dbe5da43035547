// The store with slots on storage that fails: who is told, who is not, and what comes after.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "experts/slot_layout.h"
#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The first error of a request that must have one.
Error error_of(ExpertRequest& request) {
  while (request.remaining() > 0) {
    auto arrival = request.next();
    if (arrival && !arrival->lease) return arrival->lease.error();
  }
  ADD_FAILURE() << "the request did not fail";
  return {};
}

TEST(SlotStoreFaults, AFailedReadNamesLayerExpertFileAndCause) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  faults->fail_op(0);
  ExpertRequest request = request_or_die(*store, 1, {6});
  const Error error = error_of(request);
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_THAT(error.message, AllOf(HasSubstr("layer 1, expert 6: part-"), HasSubstr("Input/output error")));
  EXPECT_EQ(store->counters().failed_reads, 1u);
}

TEST(SlotStoreFaults, AfterAnErrorTheOthersArriveAndTheNextRequestReadsAnew) {
  for (const size_t slots : {1U, 4U}) {
    TestExperts experts;
    auto [store, faults] = experts.open_faulty(slots);
    faults->fail_op(0);
    const std::vector<uint32_t> ids = {3, 4, 5};
    ExpertRequest request = request_or_die(*store, 0, ids);
    std::vector<uint32_t> arrived, failed;
    while (request.remaining() > 0) {
      const auto arrival = request.next();
      ASSERT_TRUE(arrival) << arrival.error().message;
      (arrival->lease ? arrived : failed).push_back(ids[arrival->index]);
      if (arrival->lease) {
        EXPECT_TRUE(experts.holds(*arrival->lease, 0, arrived.back()));
      }
    }
    EXPECT_EQ(failed, (std::vector<uint32_t>{3})) << slots;
    EXPECT_THAT(arrived, testing::UnorderedElementsAre(4, 5)) << slots;
    EXPECT_FALSE(request.next().has_value());
    ask_and_take(experts, *store, 0, ids);
  }
}

TEST(SlotStoreFaults, ARequestMayBeDroppedAfterAnError) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  faults->fail_op(0);
  {
    ExpertRequest request = request_or_die(*store, 0, {3, 4, 5});
    error_of(request);
  }
  ask_and_take(experts, *store, 0, {3, 4, 5});
}

TEST(SlotStoreFaults, AShortReadIsAnErrorNotShortBytes) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  faults->shorten_op(0);
  ExpertRequest request = request_or_die(*store, 0, {3});
  EXPECT_THAT(error_of(request).message, HasSubstr("the file ends at byte"));
  ask_and_take(experts, *store, 0, {3});
}

TEST(SlotStoreFaults, AVanishedFileFailsTheExpertsInItUntilItIsBack) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  const ExpertCatalog catalog = experts.catalog();
  faults->vanish_file(1);
  for (uint32_t id = 0; id < TestExperts::kExperts; ++id) {
    const bool lies_there =
        std::ranges::any_of(catalog.parts(id), [](const Extent& part) { return part.file == 1; });
    ExpertRequest request = request_or_die(*store, 0, {id});
    const auto arrival = request.next();
    ASSERT_TRUE(arrival) << arrival.error().message;
    EXPECT_EQ(arrival->lease.has_value(), !lies_there) << id;
    if (arrival->lease) {
      EXPECT_TRUE(experts.holds(*arrival->lease, 0, id));
    } else {
      EXPECT_THAT(arrival->lease.error().message, HasSubstr("part-1.bin"));
    }
  }
  faults->restore_file(1);
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST(SlotStoreFaults, AFailureReachesExactlyTheRequestsThatWaitForIt) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(8);
  faults->hold();
  faults->fail_op(0);
  ExpertRequest first = request_or_die(*store, 0, {1, 2});  // its first operation reads expert 1
  ExpertRequest sharing = request_or_die(*store, 0, {1, 3});
  ExpertRequest apart = request_or_die(*store, 0, {2, 3, 4});
  faults->release();
  EXPECT_THAT(error_of(first).message, HasSubstr("layer 0, expert 1"));
  EXPECT_THAT(error_of(sharing).message, HasSubstr("layer 0, expert 1"));
  take_all(experts, apart, 0, {2, 3, 4});
}

TEST(SlotStoreFaults, AFailureThatNobodyWaitsForAnyMoreReachesNobody) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  faults->hold();
  faults->fail_op(0);
  { const ExpertRequest dropped = request_or_die(*store, 0, {1}); }
  ExpertRequest other = request_or_die(*store, 0, {2, 3});  // 3 gets its slot from expert 2, or from 1
  faults->release();
  take_all(experts, other, 0, {2, 3});
  while (store->counters().failed_reads == 0) ask_and_take(experts, *store, 2, {7});
  EXPECT_EQ(store->counters().failed_reads, 1u);
  ask_and_take(experts, *store, 0, {1});
}

TEST(SlotStoreFaults, WhoComesAfterAnAbandonedReadIsNotHurtByItsFailure) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(2);
  faults->hold();
  faults->fail_op(0);
  { const ExpertRequest dropped = request_or_die(*store, 0, {1}); }
  ExpertRequest late = request_or_die(*store, 0, {1});  // finds the read that will fail still in flight
  faults->release();
  take_all(experts, late, 0, {1});
  EXPECT_EQ(store->counters().failed_reads, 1u);
}

TEST(SlotStoreFaults, AFailedExpertGivesItsSlotToWhoWaits) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(1);
  faults->hold();
  faults->fail_op(0);
  ExpertRequest failing = request_or_die(*store, 0, {1});
  ExpertRequest waiting = request_or_die(*store, 0, {2});
  faults->release();
  take_all(experts, waiting, 0, {2});
  EXPECT_THAT(error_of(failing).message, HasSubstr("expert 1"));
}

TEST(SlotStoreFaults, NothingOfAFailedExpertIsEverHandedOut) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(3, "lru", 2);
  faults->fail_randomly(11, 0.05);
  size_t failed = 0;
  size_t taken = 0;
  for (uint32_t round = 0; round < 300; ++round) {
    const uint32_t layer = round % TestExperts::kLayers;
    const std::vector<uint32_t> ids = {round % 8, (round + 3) % 8, (round + 5) % 8};
    ExpertRequest request = request_or_die(*store, layer, ids);
    while (request.remaining() > 0) {
      const auto arrival = request.next();
      ASSERT_TRUE(arrival) << arrival.error().message;
      if (!arrival->lease) {
        ++failed;
        continue;
      }
      ASSERT_TRUE(experts.holds(*arrival->lease, layer, ids[arrival->index]));
      ++taken;
    }
  }
  EXPECT_GT(failed, 0u);
  EXPECT_GT(taken, 0u);
  faults->fail_randomly(0, 0);
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST(VerifiedReads, AFlippedBitIsAnErrorThatNamesTheExpertAndTheNextReadIsRight) {
  TestExperts experts;
  auto reader = experts.faulty_reader(2);
  FaultyReader* faults = reader.get();
  ExpertStoreOptions options = options_of(StreamMode::kDirect, 4);
  options.digests = digests_of(experts);
  auto store = open_expert_store_on_reader(options, experts.catalog(), std::move(reader));
  ASSERT_TRUE(store) << store.error().message;
  const SlotLayout layout(experts.catalog(), faults->alignment_bytes());
  faults->flip_bit(0, 8 * layout.reads(8 + 3)[0].needed_bytes - 1);  // of the last byte that is of use
  ExpertRequest request = request_or_die(**store, 1, {3});
  const auto arrival = request.next();
  ASSERT_TRUE(arrival);
  ASSERT_FALSE(arrival->lease);
  EXPECT_EQ(arrival->lease.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(arrival->lease.error().message, testing::HasSubstr("layer 1, expert 3"));
  EXPECT_EQ(ask_and_take(experts, **store, 1, {3, 4}).size(), 2u);
}

TEST(VerifiedReads, DigestsOfAnotherModelAreRefused) {
  TestExperts experts;
  for (const StreamMode mode : {StreamMode::kDirect, StreamMode::kMmap}) {
    ExpertStoreOptions options = options_of(mode, 4);
    options.digests = std::make_shared<ExpertDigests>(TestExperts::kLayers + 1, TestExperts::kExperts);
    EXPECT_FALSE(open_expert_store(options, experts.catalog(), experts.files()));
  }
}

}  // namespace
}  // namespace sluice
