// One line on a terminal that says how far something is, written over again and again, gone at the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/output.h"

namespace sluice {

// Shows nothing before the work has taken a while, nor where no person is looking. One thread at a time.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;
  struct Timing {
    Clock::duration show_after = std::chrono::seconds(1);
    Clock::duration redraw_every = std::chrono::milliseconds(100);
  };

  // `output` must outlive this object.
  explicit ProgressLine(Output& output) : ProgressLine(output, Timing()) {}
  ProgressLine(Output& output, Timing timing);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { clear(); }

  // "loading experts: 35 % of 3.45 GB"
  void update_bytes(std::string_view what, uint64_t done, uint64_t total);
  // "reading the prompt: 35 % of 1500 tokens"
  void update_tokens(std::string_view what, uint64_t done, uint64_t total);
  // "fio, 16 in flight: 35 % of 2 s"
  void update_seconds(std::string_view what, uint64_t done_ns, uint64_t total_ns);
  // Takes the line away; the next update may show it again.
  void clear();

 private:
  bool due();
  void draw(std::string_view what, uint64_t done, uint64_t total, const std::string& total_text);

  Output& output_;
  Timing timing_;
  Clock::time_point start_;
  Clock::time_point drawn_;
  bool visible_ = false;
};

}  // namespace sluice
