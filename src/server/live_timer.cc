#include "server/live_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fail.h"

namespace sluice {

Result<LiveTimer> LiveTimer::start(std::chrono::milliseconds interval) {
  LiveTimer timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
  const timespec step{static_cast<time_t>(seconds.count()),
                      static_cast<long>(std::chrono::nanoseconds(interval - seconds).count())};
  const itimerspec every{step, step};
  if (timer.descriptor_ < 0 || timerfd_settime(timer.descriptor_, 0, &every, nullptr) != 0) {
    return fail(ErrorCode::kIo, "no timer: {}", errno_text(errno));
  }
  return timer;
}

LiveTimer::~LiveTimer() {
  if (descriptor_ >= 0) close(descriptor_);
}

void LiveTimer::take() const {
  uint64_t ticks = 0;
  while (read(descriptor_, &ticks, sizeof(ticks)) < 0 && errno == EINTR) continue;
}

}  // namespace sluice
