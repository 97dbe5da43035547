#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <limits>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {
namespace {

using testing::Each;

// Runs one region over `count` indices and expects each to be visited once, in ranges no longer than `grain`.
void expect_covered(ThreadPool& pool, size_t count, size_t grain) {
  std::vector<int> visits(count, 0);  // plain ints: two visits of one index are a race that TSan sees
  std::atomic<size_t> longest = 0;
  pool.parallel_for(count, grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) ++visits.at(i);
    size_t seen = longest;
    while (seen < end - begin && !longest.compare_exchange_weak(seen, end - begin)) {
    }
  });
  EXPECT_THAT(visits, Each(1)) << count << " indices, grain " << grain << ", " << pool.threads()
                               << " threads";
  EXPECT_LE(longest, grain) << count << " indices, " << pool.threads() << " threads";
}

TEST(ThreadPool, VisitsEachIndexOnceInRangesNoLongerThanTheGrain) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  for (const size_t threads : {1, 2, 3, 4, 8, 17}) {
    ThreadPool pool(threads);
    for (const size_t grain :
         {size_t{1}, size_t{2}, size_t{3}, size_t{64}, size_t{999}, size_t{1000}, kMost}) {
      for (const size_t count : {0, 1, 2, 3, 7, 64, 65, 1000}) expect_covered(pool, count, grain);
    }
  }
}

TEST(ThreadPool, HandsOutTheLargestRangesWithoutWrappingAround) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  for (const size_t threads : {1, 3}) {
    ThreadPool pool(threads);
    std::mutex mutex;
    std::set<std::pair<size_t, size_t>> ranges;
    pool.parallel_for(kMost, kMost / 2, [&](size_t begin, size_t end) {
      const std::lock_guard lock(mutex);
      ranges.emplace(begin, end);
    });
    const std::set<std::pair<size_t, size_t>> expected = {
        {0, kMost / 2}, {kMost / 2, kMost - 1}, {kMost - 1, kMost}};
    EXPECT_EQ(ranges, expected);
  }
}

TEST(ThreadPool, CountsTheCallerAmongItsThreads) {
  EXPECT_EQ(ThreadPool(1).threads(), 1U);
  EXPECT_EQ(ThreadPool(5).threads(), 5U);
}

TEST(ThreadPool, OfOneThreadRunsEverythingOnTheCaller) {
  ThreadPool pool(1);
  std::set<std::thread::id> ran_on;
  pool.parallel_for(100, 1, [&](size_t, size_t) { ran_on.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ran_on, std::set{std::this_thread::get_id()});
}

TEST(ThreadPool, RunsARegionOnAllItsThreadsAtOnce) {
  constexpr size_t kThreads = 4;
  ThreadPool pool(kThreads);
  std::mutex mutex;
  std::condition_variable all_here;
  std::set<std::thread::id> ran_on;
  // Every range waits for the others: with fewer threads than ranges this would never end.
  pool.parallel_for(kThreads, 1, [&](size_t, size_t) {
    std::unique_lock lock(mutex);
    ran_on.insert(std::this_thread::get_id());
    all_here.notify_all();
    all_here.wait(lock, [&] { return ran_on.size() == kThreads; });
  });
  EXPECT_EQ(ran_on.size(), kThreads);
}

TEST(ThreadPool, ReturnsOnlyWhenTheLastRangeHasEnded) {
  ThreadPool pool(2);
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> worker_began = false;
    std::atomic<bool> caller_ended = false;
    std::atomic<bool> worker_ended = false;
    // One range each: the caller has nothing left to do long before the worker is through.
    pool.parallel_for(2, 1, [&](size_t, size_t) {
      if (std::this_thread::get_id() == caller) {
        worker_began.wait(false);
        caller_ended = true;
        caller_ended.notify_one();
      } else {
        worker_began = true;
        worker_began.notify_one();
        caller_ended.wait(false);
        for (int i = 0; i < 10; ++i) std::this_thread::yield();
        worker_ended = true;
      }
    });
    ASSERT_TRUE(worker_ended) << "round " << round;
  }
}

TEST(ThreadPool, MakesWhatOneRegionWroteVisibleToTheNextThousandsOfTimes) {
  ThreadPool pool(4);
  constexpr uint64_t kRounds = 5000;
  std::vector<uint64_t> values(64, 0);
  for (uint64_t round = 0; round < kRounds; ++round) {
    // Each index reads its neighbour's value of the round before, in whichever thread that was written.
    std::vector<uint64_t> next(values.size());
    pool.parallel_for(values.size(), 1 + round % 9, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) next[i] = values[(i + 1) % values.size()] + 1;
    });
    values = std::move(next);
  }
  EXPECT_THAT(values, Each(kRounds));
}

// Runs `body` once on every thread of the pool, on all at once.
void on_every_thread(ThreadPool& pool, const std::function<void()>& body) {
  std::atomic<size_t> missing = pool.threads();
  pool.parallel_for(pool.threads(), 1, [&](size_t, size_t) {
    body();
    --missing;
    while (missing != 0) std::this_thread::yield();
  });
}

std::set<int> cores_of_this_thread() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof(allowed), &allowed);
  std::set<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.insert(core);
  }
  return cores;
}

// What each thread of a new pool may run on: the caller's cores, and the workers'.
std::pair<std::set<int>, std::vector<std::set<int>>> cores_of_pool(size_t threads) {
  ThreadPool pool(threads);
  const auto caller = std::this_thread::get_id();
  std::mutex mutex;
  std::vector<std::set<int>> workers;
  on_every_thread(pool, [&] {
    if (std::this_thread::get_id() == caller) return;
    const std::lock_guard lock(mutex);
    workers.push_back(cores_of_this_thread());
  });
  return {cores_of_this_thread(), workers};
}

TEST(ThreadPool, BindsEachWorkerToACoreOfItsOwnAndNotTheCaller) {
  const std::set<int> before = cores_of_this_thread();
  const auto [caller, workers] = cores_of_pool(before.size());
  EXPECT_EQ(caller, before);
  std::set<int> taken;
  for (const auto& cores : workers) {
    ASSERT_EQ(cores.size(), 1U);
    EXPECT_TRUE(before.contains(*cores.begin()));
    EXPECT_TRUE(taken.insert(*cores.begin()).second) << "core " << *cores.begin() << " twice";
  }
}

TEST(ThreadPool, BindsNobodyWhereThreadsMustShareCores) {
  const std::set<int> before = cores_of_this_thread();
  EXPECT_THAT(cores_of_pool(before.size() + 1).second, Each(before));
}

// The letter by which Linux says what a thread does: 'S' when it sleeps.
char state_of_thread(pid_t id) {
  std::ifstream file("/proc/self/task/" + std::to_string(id) + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  return name_end + 2 < line.size() ? line[name_end + 2] : '?';
}

TEST(ThreadPool, ParksWorkersThatHaveNothingToDoAndWakesThem) {
  ThreadPool pool(3);
  const pid_t caller = gettid();
  for (int round = 0; round < 3; ++round) {
    std::mutex mutex;
    std::set<pid_t> workers;
    on_every_thread(pool, [&] {
      const std::lock_guard lock(mutex);
      if (gettid() != caller) workers.insert(gettid());
    });
    ASSERT_EQ(workers.size(), 2U);
    for (const pid_t worker : workers) {
      while (state_of_thread(worker) != 'S') std::this_thread::yield();  // for ever if it spins for ever
    }
  }
}

TEST(ThreadPool, CanBeMadeAndDroppedManyTimesUsedOrNot) {
  std::atomic<size_t> visits = 0;
  for (int round = 0; round < 200; ++round) {
    ThreadPool pool(3);
    if (round % 2 == 0) pool.parallel_for(6, 1, [&](size_t begin, size_t end) { visits += end - begin; });
  }
  EXPECT_EQ(visits, 600U);
}

}  // namespace
}  // namespace sluice
