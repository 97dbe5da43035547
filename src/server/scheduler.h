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
#include "server/running_answer.h"
#include "server/session_pool.h"

namespace sluice {

// Answers a few requests at once, which begin first come, first served: every pass over the layers gives each
// of them its next token, or takes in a piece of its prompt (Engine::step). Between passes answers that have
// ended or are not wanted any more leave, and requests that wait take their places. All on a thread of its
// own, the only one that uses the engine. Thread safe.
class Scheduler {
 public:
  struct Limits {
    size_t waiting = 32;  // requests, beside those that are being answered
    size_t sessions = 1;  // conversations whose state is kept; the engine's memory plan must hold them
    size_t parallel = 1;  // answers at once; at most EngineOptions::parallel, and as many as sessions
  };
  struct Load {
    size_t running = 0;
    size_t waiting = 0;
  };

  // REQUIRES engine.tokenizer() != nullptr. Engine, metrics and `store`, which may be null, must outlive this
  // object; from now on the engine is its own. With a store, conversations are kept on disk too.
  Scheduler(Engine& engine, Limits limits, Metrics& metrics, SnapshotStore* store = nullptr);
  // Cancels everything, and waits until the engine is idle: at most a pass. What is to be kept goes to the
  // store.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Puts a request in the queue; null when that is full, or the scheduler ends. `context_ids`: the request's
  // prompt as tokens.
  std::shared_ptr<Answer> submit(AnswerRequest request, std::vector<int32_t> context_ids);
  // The answer is not wanted any more. One that waits leaves the queue at once, one that is being made before
  // the next pass.
  void cancel(const std::shared_ptr<Answer>& answer);

  Load load() const;
  // When the queue may have room again, for Retry-After: from how long answers took lately. At least 1.
  uint64_t retry_after_seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  // All on the worker.
  void work();
  // Waits until there is something to do. False when there will never be.
  bool admit();
  void begin(Job job);
  void step();
  // Takes leave of those that are over.
  void retire();
  void release(const RunningAnswer& running);

  Engine& engine_;
  const Limits limits_;
  Metrics& metrics_;
  SessionPool sessions_;                                 // the worker's
  std::vector<std::unique_ptr<RunningAnswer>> running_;  // the worker's; at most limits_.parallel
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;                         // guarded by mutex_, as is what follows
  std::vector<std::shared_ptr<Answer>> present_;  // the answers that have left the queue and not ended
  double mean_seconds_ = 1;                       // of an answer, lately
  bool ending_ = false;
  std::thread worker_;
};

}  // namespace sluice
