#include "base/thread_pool.h"

#include <algorithm>
#include <cassert>

namespace sluice {

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 1; i < threads; ++i) {
    workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

ThreadPool::~ThreadPool() {
  for (auto& worker : workers_) worker.request_stop();
  wake_.notify_all();
}

void ThreadPool::parallel_for(size_t count, size_t grain, const std::function<void(size_t, size_t)>& body) {
  assert(grain >= 1);
  if (workers_.empty() || count <= grain) {
    for (size_t begin = 0, end = 0; begin < count; begin = end) {
      end = begin + std::min(grain, count - begin);
      body(begin, end);
    }
    return;
  }
  {
    std::lock_guard lock(mutex_);
    next_ = 0;
    count_ = count;
    grain_ = grain;
    body_ = &body;
    busy_workers_ = workers_.size();
    ++region_;
  }
  wake_.notify_all();
  run_ranges();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return busy_workers_ == 0; });
}

void ThreadPool::work(const std::stop_token& stop) {
  uint64_t seen_region = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [&] { return region_ != seen_region; })) return;
      seen_region = region_;
    }
    run_ranges();
    {
      std::lock_guard lock(mutex_);
      --busy_workers_;
    }
    idle_.notify_one();
  }
}

void ThreadPool::run_ranges() {
  while (true) {
    size_t begin = 0;
    size_t end = 0;
    {
      std::lock_guard lock(mutex_);
      if (next_ == count_) return;
      begin = next_;
      end = next_ += std::min(grain_, count_ - next_);
    }
    (*body_)(begin, end);
  }
}

}  // namespace sluice
