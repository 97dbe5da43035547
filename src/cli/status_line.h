// The last row of a terminal, kept for figures while text scrolls above it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cli/output.h"
#include "engine/telemetry.h"

namespace sluice {

// When a chat begins to show figures: answers that are there at once need none.
inline constexpr std::chrono::seconds kLiveAfter{1};

// What gives a terminal its last row back, for a process that must end at once.
inline constexpr std::string_view kReleaseRow =
    "\x1b"
    "7\x1b[r\x1b"
    "8";

// Takes the row away from the text by the terminal's scrolling region, and gives it back at the end. Follows
// the window's size. Does nothing where `output` is no terminal that rewrites. One thread at a time.
class StatusLine {
 public:
  using Clock = std::chrono::steady_clock;

  // `output` must outlive this object. Nothing is shown, and no row taken, for the time `after`.
  explicit StatusLine(Output& output, Clock::duration after = {})
      : output_(output), begin_(Clock::now() + after) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();

  // Adds a stretch; draws what the last ones came to, a few times a second.
  void update(const TelemetrySample& sample);

 private:
  int reserve();

  Output& output_;
  Clock::time_point begin_;
  int rows_ = 0;  // of the window as it was reserved in; 0: nothing is reserved
  Clock::time_point drawn_{};
  TelemetrySample window_;
};

// "decode  41.2 tokens/s  hits 93 %  1.20 MB/token  disk 1.85 GB/s  queue 4.1  waiting 12 %  ahead 86 % of
// use"
std::string status_text(const TelemetrySample& sample);

// As many whole figures of it, from the left, as `columns` hold: one that is cut would be another figure.
std::string fitting_figures(std::string text, size_t columns);

}  // namespace sluice
