// What a server counts, and how Prometheus reads it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "server/snapshot_figures.h"
#include "sluice/engine.h"

namespace sluice {

// Observations by size, cumulative as Prometheus wants them when written. Not thread safe.
class Histogram {
 public:
  // Upper bounds in seconds, from a millisecond to ten minutes.
  static constexpr std::array<double, 13> kBounds{0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1,
                                                  2.5,   5,     15,   60,  180,  600};

  void observe(double seconds);
  // Lines of the text format: <name>_bucket{le="..."}, <name>_sum, <name>_count.
  void write(const std::string& name, std::string& text) const;

 private:
  std::array<uint64_t, kBounds.size() + 1> counts_{};  // the last one: beyond all bounds
  double sum_ = 0;
};

// Thread safe.
class Metrics {
 public:
  void count_request(const std::string& endpoint, int status);
  void count_error(ErrorCode code);
  // Passes follow each other; one of nothing stands for a pause.
  void count_pass(const StepFigures& figures);
  void count_tokens(uint64_t prompt, uint64_t reused, uint64_t generated);
  uint64_t generated_tokens() const;
  void observe_queue_wait(double seconds);
  void observe_first_token(double seconds);
  void observe_token_time(double seconds);
  void observe_answer(double seconds);

  // What is asked for when it is read.
  struct Now {
    StreamCounters counters{};
    MemoryPlan plan{};
    size_t running = 0;
    size_t waiting = 0;
    SnapshotFigures snapshots{};
  };
  // Text exposition format 0.0.4; base units (seconds, bytes), counters end in _total.
  std::string text(const Now& now) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  std::map<ErrorCode, uint64_t> errors_;
  uint64_t passes_ = 0;
  uint64_t pass_tokens_ = 0;
  size_t batch_sequences_ = 0;  // of the last pass
  uint64_t prompt_tokens_ = 0;
  uint64_t reused_tokens_ = 0;
  uint64_t generated_tokens_ = 0;
  Histogram queue_wait_;
  Histogram first_token_;
  Histogram token_time_;
  Histogram answer_;
};

}  // namespace sluice
