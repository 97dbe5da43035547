// The one pool that computes. Reads have threads of their own (storage), so that waiting for the disk never
// takes a core from arithmetic.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace sluice {

// A fixed number of threads, the caller among them. One region runs at a time; parallel_for must not be
// called from inside a region. Results never depend on the number of threads as long as every index writes
// its own output: the pool decides only who computes an index, never how.
//
// A worker that has nothing to do spins for some tens of microseconds, so that regions that follow each other
// closely find it awake, and then parks. A region never waits for a worker that has not begun one of its
// ranges: with fewer free cores than threads the caller does the work of those that are late. Workers are
// bound to a core each while there are no more threads than cores that the process may use.
class ThreadPool {
 public:
  // `threads` >= 1, the calling thread included: ThreadPool(1) starts none.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls body(begin, end) for disjoint ranges that cover [0, count), none longer than `grain` (>= 1), in any
  // order and on any thread; returns when all have ended. At most 2^32 - 1 ranges. `body` must not throw.
  void parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body);

 private:
  void work();
  void run_ranges();

  // Written by the caller between regions, read by who holds a range of the open one.
  size_t count_ = 0;
  size_t grain_ = 1;
  uint32_t ranges_ = 0;
  const std::function<void(size_t, size_t)>* body_ = nullptr;

  // Each on a line of its own: one is polled by the idle, one fought over by the busy.
  alignas(64) std::atomic<uint32_t> region_ = 0;  // bumped for every region, and at the end
  std::atomic<bool> is_ending_ = false;
  // The region's number, and below it how many of its ranges nobody has taken: one exchange takes a range of
  // this region and never of another.
  alignas(64) std::atomic<uint64_t> ticket_ = 0;
  alignas(64) std::atomic<uint32_t> unfinished_ = 0;  // ranges of the open region that have not ended
  std::vector<std::jthread> workers_;
};

}  // namespace sluice
