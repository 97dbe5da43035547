#include "kernels/share_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using testing::Each;

constexpr uint64_t kMuch = uint64_t{1} << 30;

TEST(ShareRows, CoversTheRowsOfEachShareOnceInItsTasks) {
  const std::vector<RowShare> shares = {{5, 2, kMuch}, {0, 1, kMuch}, {7, 100, kMuch}, {3, 1, kMuch}};
  for (const size_t threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<std::vector<int>> visits;
    for (const RowShare& share : shares) visits.emplace_back(share.rows);
    std::atomic<bool> is_too_long = false;
    share_rows(pool, shares, [&](size_t i, size_t begin, size_t end) {
      if (end - begin > shares[i].rows_per_task) is_too_long = true;
      for (size_t row = begin; row < end; ++row) ++visits.at(i).at(row);
    });
    for (const auto& rows : visits) EXPECT_THAT(rows, Each(1)) << threads << " threads";
    EXPECT_FALSE(is_too_long);
  }
}

TEST(ShareRows, OfSeveralProductsRunAtOnce) {
  ThreadPool pool(2);
  std::atomic<int> begun = 0;
  const std::vector<RowShare> shares = {{1, 1, kMuch}, {1, 1, kMuch}};
  share_rows(pool, shares, [&](size_t, size_t, size_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();  // for ever, if one waited for the other's end
  });
  EXPECT_EQ(begun, 2);
}

TEST(ShareRows, SmallWorkStaysOnTheCallingThread) {
  ASSERT_TRUE(is_small_work(2));
  ASSERT_FALSE(is_small_work(kMuch));
  ThreadPool pool(4);
  std::set<std::thread::id> threads;  // a race that TSan sees, were there several
  const std::vector<RowShare> shares(50, {3, 1, 2 * 3});
  share_rows(pool, shares, [&](size_t, size_t, size_t) { threads.insert(std::this_thread::get_id()); });
  EXPECT_EQ(threads, std::set{std::this_thread::get_id()});
}

TEST(ShareRows, OfNothingCallsNobody) {
  ThreadPool pool(2);
  share_rows(pool, {}, [&](size_t, size_t, size_t) { ADD_FAILURE(); });
}

}  // namespace
}  // namespace sluice
