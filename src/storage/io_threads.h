// Threads that wait for the disk, so that the threads that compute never do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sluice {

// A fixed number of threads that run tasks in the order in which they were posted. Any thread may post, also
// a task. The queue is as long as its callers let it grow: they post only what they have buffers for.
class IoThreads {
 public:
  // `threads` >= 1: how many tasks run at once.
  explicit IoThreads(size_t threads);
  // Runs every posted task, then ends the threads.
  ~IoThreads();
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  // Returns at once; the tasks run on the pool's threads. They must not throw.
  void post(std::vector<std::function<void()>> tasks);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool ending_ = false;                      // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace sluice
