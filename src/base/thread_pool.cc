#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

// Waking a parked thread takes about this long.
constexpr auto kSpinFor = std::chrono::microseconds(50);
constexpr int kPausesPerLookAtTheClock = 16;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// Returns when `word` is no longer `seen`. Spins, giving way to whoever else wants the core, then parks.
void await_change(const std::atomic<uint32_t>& word, uint32_t seen) {
  const auto deadline = Clock::now() + kSpinFor;
  do {
    for (int i = 0; i < kPausesPerLookAtTheClock; ++i) {
      if (word.load(std::memory_order_acquire) != seen) return;
      pause();
    }
    std::this_thread::yield();
  } while (Clock::now() < deadline);
  word.wait(seen, std::memory_order_acquire);
}

// The cores that the calling thread may run on, beginning after the one it is on.
std::vector<int> cores_of_others() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return {};
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  std::rotate(cores.begin(), std::upper_bound(cores.begin(), cores.end(), sched_getcpu()), cores.end());
  return cores;
}

// A thread that cannot be bound runs anywhere.
void bind(std::jthread& thread, int core) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(core, &only);
  pthread_setaffinity_np(thread.native_handle(), sizeof(only), &only);
}

}  // namespace

ThreadPool::ThreadPool(size_t threads) {
  for (size_t i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  const std::vector<int> cores = cores_of_others();
  if (threads > cores.size()) return;
  for (size_t i = 0; i < workers_.size(); ++i) bind(workers_[i], cores[i]);
}

ThreadPool::~ThreadPool() {
  is_ending_ = true;
  ++region_;
  region_.notify_all();
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
  const size_t ranges = count / grain + (count % grain != 0 ? 1 : 0);
  assert(ranges <= std::numeric_limits<uint32_t>::max());
  count_ = count;
  grain_ = grain;
  ranges_ = static_cast<uint32_t>(ranges);
  body_ = &body;
  unfinished_.store(ranges_, std::memory_order_relaxed);
  const uint32_t region = region_.load(std::memory_order_relaxed) + 1;
  ticket_.store(uint64_t{region} << 32 | ranges_, std::memory_order_release);
  region_.store(region);
  region_.notify_all();
  run_ranges();
  while (const uint32_t left = unfinished_.load(std::memory_order_acquire)) await_change(unfinished_, left);
}

void ThreadPool::work() {
  uint32_t seen = 0;
  while (true) {
    await_change(region_, seen);
    seen = region_.load(std::memory_order_acquire);
    if (is_ending_) return;
    run_ranges();
  }
}

// Takes ranges until none is left. Whoever holds one keeps the region open, and with it what describes it.
void ThreadPool::run_ranges() {
  uint32_t ended = 0;
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (const auto left = static_cast<uint32_t>(ticket)) {
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    const size_t begin = size_t{ranges_ - left} * grain_;
    (*body_)(begin, begin + std::min(grain_, count_ - begin));
    ++ended;
    ticket = ticket_.load(std::memory_order_acquire);
  }
  if (ended == 0) return;
  if (unfinished_.fetch_sub(ended, std::memory_order_acq_rel) == ended) unfinished_.notify_one();
}

}  // namespace sluice
