#include "experts/gathered_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "experts/test_experts.h"

namespace sluice {
namespace {

TEST(GatheredRequest, HandsOutEveryExpertAndNothingBeforeAllAreThere) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  const std::vector<uint32_t> ids = {2, 5, 7};
  ExpertRequest request = gathered(request_or_die(*store, 1, ids));
  EXPECT_EQ(request.remaining(), ids.size());
  EXPECT_EQ(request.ready(), 0u);
  const auto first = request.next();
  ASSERT_TRUE(first && first->lease);
  EXPECT_EQ(store->counters().misses, ids.size());
  EXPECT_EQ(store->counters().reads, faults->submitted()) << "all reads have ended";
  EXPECT_EQ(request.ready(), ids.size() - 1);
  EXPECT_TRUE(experts.holds(*first->lease, 1, ids[first->index]));
  take_all(experts, request, 1, ids);
  EXPECT_EQ(request.remaining(), 0u);
  EXPECT_FALSE(request.next().has_value());
}

TEST(GatheredRequest, OneThatFailedHurtsNoneOfTheOthers) {
  TestExperts experts;
  auto [store, faults] = experts.open_faulty(4);
  faults->fail_op(0);
  const std::vector<uint32_t> ids = {3, 4};
  ExpertRequest request = gathered(request_or_die(*store, 0, ids));
  std::vector<uint32_t> arrived, failed;
  while (request.remaining() > 0) {
    const auto arrival = request.next();
    ASSERT_TRUE(arrival) << arrival.error().message;
    (arrival->lease ? arrived : failed).push_back(ids[arrival->index]);
  }
  EXPECT_EQ(arrived, (std::vector<uint32_t>{4}));
  EXPECT_EQ(failed, (std::vector<uint32_t>{3}));
}

}  // namespace
}  // namespace sluice
