// The last row of a terminal, kept for figures while text scrolls above it.
#pragma once

#include <chrono>
#include <string>

#include "cli/output.h"
#include "engine/telemetry.h"

namespace sluice {

// Takes the row away from the text by the terminal's scrolling region, and gives it back at the end. Follows
// the window's size. Does nothing where `output` is no terminal that rewrites. One thread at a time.
class StatusLine {
 public:
  using Clock = std::chrono::steady_clock;

  // `output` must outlive this object.
  explicit StatusLine(Output& output);
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();

  // Adds a stretch; draws what the last ones came to, a few times a second.
  void update(const TelemetrySample& sample);

 private:
  int reserve();

  Output& output_;
  int rows_ = 0;  // of the window as it was reserved in; 0: nothing is reserved
  Clock::time_point drawn_{};
  TelemetrySample window_;
};

// "decode  41.2 tokens/s  hits 93 %  1.20 MB/token  disk 1.85 GB/s  queue 4.1  waiting 12 %  ahead 86 % of
// use"
std::string status_text(const TelemetrySample& sample);

}  // namespace sluice
