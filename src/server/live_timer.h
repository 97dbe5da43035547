// A clock that can be waited for beside a connection.
#pragma once

#include <chrono>
#include <utility>

#include "sluice/result.h"

namespace sluice {

// Ticks; ticks that nobody took become one. Not thread safe.
class LiveTimer {
 public:
  // kIo when the system gives no descriptor. REQUIRES interval > 0.
  static Result<LiveTimer> start(std::chrono::milliseconds interval);
  LiveTimer(LiveTimer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  LiveTimer& operator=(LiveTimer&&) = delete;
  ~LiveTimer();

  int descriptor() const { return descriptor_; }  // readable when it has ticked
  void take() const;                              // the ticks so far

 private:
  explicit LiveTimer(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace sluice
