#include "storage/io_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <vector>

namespace sluice {
namespace {

TEST(IoThreads, RunsSoManyTasksAtOnce) {
  // Every task waits for all others: the test ends only if three run together.
  std::latch together(3);
  IoThreads threads(3);
  threads.post({3, [&together] { together.arrive_and_wait(); }});
}

TEST(IoThreads, TheEndRunsWhatWasPostedAlsoByTasks) {
  std::atomic<int> runs = 0;
  {
    IoThreads threads(2);
    for (int i = 0; i < 50; ++i) {
      threads.post({[&] {
        ++runs;
        threads.post({[&runs] { ++runs; }});
      }});
    }
  }
  EXPECT_EQ(runs, 100);
}

TEST(IoThreads, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    IoThreads threads(1);
    threads.post({[&] { order.push_back(1); }, [&] { order.push_back(2); }});
    threads.post({[&] { order.push_back(3); }});
  }
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

}  // namespace
}  // namespace sluice
