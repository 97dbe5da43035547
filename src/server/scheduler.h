// Requests in front of one engine.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/answer.h"
#include "server/metrics.h"
#include "server/session_pool.h"

namespace sluice {

// Answers requests one after the other, first come, first served, on a thread of its own: the only one that
// uses the engine. (Several sequences decoded in one pass can come later behind the same functions.) Thread
// safe.
class Scheduler {
 public:
  struct Limits {
    size_t waiting = 32;  // requests, beside the one that runs
    size_t sessions = 1;  // conversations whose state is kept; the engine's memory plan must hold them
  };
  struct Load {
    size_t running = 0;
    size_t waiting = 0;
  };

  // REQUIRES engine.tokenizer() != nullptr. Engine and metrics must outlive this object; from now on the
  // engine is its own.
  Scheduler(Engine& engine, Limits limits, Metrics& metrics);
  // Cancels everything, and waits until the engine is idle: at most a pass over one chunk.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Puts a request in the queue; null when that is full, or the scheduler ends. `context_ids`: the request's
  // prompt as tokens.
  std::shared_ptr<Answer> submit(AnswerRequest request, std::vector<int32_t> context_ids);
  // The answer is not wanted any more. One that waits leaves the queue at once.
  void cancel(const std::shared_ptr<Answer>& answer);

  Load load() const;
  // When the queue may have room again, for Retry-After: from how long answers took lately. At least 1.
  uint64_t retry_after_seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    std::shared_ptr<Answer> answer;
    AnswerRequest request;
    std::vector<int32_t> context_ids;
    Clock::time_point submitted;
  };

  void work();
  void run(Job& job);
  Result<AnswerEnd> generate(Job& job);

  Engine& engine_;
  const Limits limits_;
  Metrics& metrics_;
  SessionPool sessions_;  // the worker's
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;            // guarded by mutex_, as is what follows
  std::shared_ptr<Answer> running_;  // null when idle
  double mean_seconds_ = 1;          // of an answer, lately
  bool ending_ = false;
  std::thread worker_;
};

}  // namespace sluice
