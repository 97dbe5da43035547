// How long reads were under way. Internal to this room.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sluice/streaming.h"

namespace sluice {

// Not thread safe: the store's lock guards it.
class FlightClock {
 public:
  void begin(size_t reads, StreamCounters& totals) {
    advance(totals);
    in_flight_ += reads;
  }
  void end_one(StreamCounters& totals) {
    advance(totals);
    --in_flight_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  // Counts the time since the last change, for as many reads as were in flight in it.
  void advance(StreamCounters& totals) {
    const auto now = Clock::now();
    if (in_flight_ > 0) {
      const auto passed_ns = static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(now - last_change_).count());
      totals.read_busy_ns += passed_ns;
      totals.read_flight_ns += passed_ns * in_flight_;
    }
    last_change_ = now;
  }

  size_t in_flight_ = 0;
  Clock::time_point last_change_;
};

}  // namespace sluice
