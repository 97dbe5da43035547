#include "cli/progress_line.h"

#include <fmt/format.h>

#include "base/units.h"

namespace sluice {

ProgressLine::ProgressLine(Output& output, Timing timing)
    : output_(output), timing_(timing), start_(Clock::now()), drawn_(start_ - timing.redraw_every) {}

void ProgressLine::update_bytes(std::string_view what, uint64_t done, uint64_t total) {
  if (due()) draw(what, done, total, format_bytes(total));
}

void ProgressLine::update_tokens(std::string_view what, uint64_t done, uint64_t total) {
  if (due()) draw(what, done, total, fmt::format("{} tokens", total));
}

void ProgressLine::update_seconds(std::string_view what, uint64_t done_ns, uint64_t total_ns) {
  if (due()) draw(what, done_ns, total_ns, fmt::format("{:.3g} s", static_cast<double>(total_ns) / 1e9));
}

void ProgressLine::clear() {
  if (visible_) output_.write("\r\x1b[K");
  visible_ = false;
}

bool ProgressLine::due() {
  if (!output_.traits().rewrites) return false;
  const auto now = Clock::now();
  if (now - start_ < timing_.show_after || now - drawn_ < timing_.redraw_every) return false;
  drawn_ = now;
  return true;
}

void ProgressLine::draw(std::string_view what, uint64_t done, uint64_t total, const std::string& total_text) {
  const double percent = total == 0 ? 100 : 100 * static_cast<double>(done) / static_cast<double>(total);
  output_.write("\r\x1b[K" +
                output_.styled(Style::kDim, fmt::format("{}: {:.0f} % of {}", what, percent, total_text)));
  visible_ = true;
}

}  // namespace sluice
