// The one pool that computes. Reads have threads of their own (storage), so that waiting for the disk never
// takes a core from arithmetic.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice {

// A fixed number of threads, the caller among them. One region runs at a time; parallel_for must not be
// called from inside a region. Results never depend on the number of threads as long as every index writes
// its own output: the pool decides only who computes an index, never how.
class ThreadPool {
 public:
  // `threads` >= 1, the calling thread included: ThreadPool(1) starts none.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }

  // Calls body(begin, end) for disjoint ranges that cover [0, count), none longer than `grain` (>= 1), in any
  // order and on any thread; returns when all have ended. `body` must not throw.
  void parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body);

 private:
  void work(const std::stop_token& stop);
  void run_ranges();

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable idle_;
  uint64_t region_ = 0;      // guarded by mutex_; bumped once a region
  size_t busy_workers_ = 0;  // guarded by mutex_
  size_t next_ = 0;          // guarded by mutex_: first index not yet handed out
  size_t count_ = 0;
  size_t grain_ = 1;
  const std::function<void(size_t, size_t)>* body_ = nullptr;
  std::vector<std::jthread> workers_;
};

}  // namespace sluice
