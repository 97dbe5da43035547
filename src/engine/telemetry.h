// What an engine does right now, as figures: for a status line, a file of JSON lines, a server's metrics.
#pragma once

#include <chrono>
#include <cstdint>

#include "sluice/streaming.h"

namespace sluice {

enum class EnginePhase { kPrefill, kDecode };
const char* engine_phase_name(EnginePhase phase);  // "prefill", "decode"

// What a stretch of time came to. The rates are 0 where there is nothing to divide by.
struct TelemetrySample {
  EnginePhase phase = EnginePhase::kDecode;
  uint64_t at_ns = 0;        // its end, since the meter was made
  uint64_t interval_ns = 0;  // its length
  uint64_t tokens = 0;       // that went through the model
  StreamCounters spent;

  double tokens_per_second() const;
  double hit_rate() const;         // 0 ... 1
  double bytes_per_token() const;  // read from the device
  double read_bytes_per_second() const;
  double device_busy_share() const;        // of the time, at least one read was in flight; 0 ... 1
  double device_bytes_per_second() const;  // while it was
  double queue_depth() const;              // reads in flight, while there were any
  double waiting_share() const;            // of the time, computing stood waiting for an expert; 0 ... 1
  double prefetch_useful_share() const;    // of the guesses decided: asked for, not dropped; 0 ... 1

  // The two stretches as one; `later` follows this one.
  TelemetrySample& operator+=(const TelemetrySample& later);
};

// Cuts the counters of an engine into samples, one after the other. Not thread safe.
class TelemetryMeter {
 public:
  using Clock = std::chrono::steady_clock;

  explicit TelemetryMeter(const StreamCounters& counters, Clock::time_point now = Clock::now())
      : start_(now), last_(now), counters_(counters) {}

  // From the last call, or the making, to now. `counters`: the engine's, as of now.
  TelemetrySample take(EnginePhase phase, uint64_t tokens, const StreamCounters& counters,
                       Clock::time_point now = Clock::now());

 private:
  Clock::time_point start_;
  Clock::time_point last_;
  StreamCounters counters_;
};

}  // namespace sluice
