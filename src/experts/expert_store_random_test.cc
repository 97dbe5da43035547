// Several threads, thousands of requests, few slots, failing reads: leased bytes are always right, nobody
// waits for ever.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "experts/test_experts.h"

namespace sluice {
namespace {

struct Tally {
  std::atomic<uint64_t> asked = 0;
  std::atomic<uint64_t> taken = 0;
  std::atomic<uint64_t> failed = 0;
};

std::vector<uint32_t> random_ids(std::mt19937_64& random) {
  std::vector<uint32_t> ids(TestExperts::kExperts);
  std::iota(ids.begin(), ids.end(), 0U);
  std::shuffle(ids.begin(), ids.end(), random);
  ids.resize(1 + random() % TestExperts::kExperts);
  return ids;
}

// What surrounds a request: guesses, right and wrong, and what was learnt.
void guess(ExpertStore& store, std::mt19937_64& random) {
  const auto layer = static_cast<uint32_t>(random() % TestExperts::kLayers);
  const std::vector<uint32_t> ids = random_ids(random);
  if (random() % 4 == 0) store.learn(layer, ids);
  if (random() % 4 == 0) store.wants_guesses();
  if (random() % 16 == 0) {
    ExpertMap map;
    store.look(map);
  }
  store.prefetch(layer, ids, static_cast<Foresight>(random() % 3), random() % 2 == 0);
}

// Asks for random experts again and again, as tokens and as sweeps; drops one request in five half way.
void use(const TestExperts& experts, ExpertStore& store, uint64_t seed, int requests, Tally& tally) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < requests; ++i) {
    const auto layer = static_cast<uint32_t>(random() % TestExperts::kLayers);
    const std::vector<uint32_t> ids = random_ids(random);
    if (random() % 2 == 0) guess(store, random);
    auto asked = random() % 2 == 0 ? store.request(layer, ids) : store.sweep(layer, ids);
    ASSERT_TRUE(asked) << asked.error().message;
    ExpertRequest request = *std::move(asked);
    tally.asked += ids.size();
    const size_t leave = random() % 5 == 0 ? random() % ids.size() : 0;
    while (request.remaining() > leave) {
      const auto arrival = request.next();
      ASSERT_TRUE(arrival) << arrival.error().message;
      if (!arrival->lease) {
        ++tally.failed;
        continue;
      }
      ASSERT_TRUE(experts.holds(*arrival->lease, layer, ids[arrival->index]));
      ++tally.taken;
    }
  }
}

void use_from_threads(const TestExperts& experts, ExpertStore& store, int requests, Tally& tally) {
  std::vector<std::jthread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] { use(experts, store, seed, requests, tally); });
  }
}

class RandomUse : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Slots, RandomUse, testing::Values(1, 2, 5, 23));

TEST_P(RandomUse, BytesAreRightAndEveryRequestEnds) {
  TestExperts experts(GetParam());
  const auto store = experts.open(options_of(StreamMode::kDirect, GetParam()));
  Tally tally;
  use_from_threads(experts, *store, 500, tally);
  EXPECT_EQ(tally.failed, 0u);
  const StreamCounters counters = store->counters();
  EXPECT_EQ(counters.hits + counters.misses, tally.asked);
  EXPECT_GT(counters.evictions, 0u);
}

TEST_P(RandomUse, FailuresHurtNobodyElse) {
  TestExperts experts(GetParam());
  auto [store, faults] = experts.open_faulty(GetParam());
  faults->fail_randomly(GetParam(), 0.02);
  faults->shuffle(GetParam());
  Tally tally;
  use_from_threads(experts, *store, 500, tally);
  EXPECT_GT(tally.failed, 0u);
  EXPECT_GT(tally.taken, tally.failed);
  EXPECT_GT(store->counters().failed_reads, 0u);
  faults->fail_randomly(0, 0);
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST(RandomUseMapped, BytesAreRightAndEveryRequestEnds) {
  TestExperts experts(77);
  const auto store = experts.open(options_of(StreamMode::kMmap, 0));
  Tally tally;
  use_from_threads(experts, *store, 500, tally);
  EXPECT_EQ(tally.failed, 0u);
  EXPECT_EQ(store->counters().hits + store->counters().misses, tally.asked);
}

}  // namespace
}  // namespace sluice
