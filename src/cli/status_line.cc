#include "cli/status_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/units.h"

namespace sluice {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(250);
constexpr int kLeastRows = 4;  // a smaller window has better uses for its rows

struct WindowSize {
  int rows = 0;
  int columns = 0;
};

WindowSize window_size() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_row, size.ws_col};
}

}  // namespace

std::string status_text(const TelemetrySample& sample) {
  std::string text =
      fmt::format("{}  {:.1f} tokens/s", engine_phase_name(sample.phase), sample.tokens_per_second());
  if (sample.spent.hits + sample.spent.misses != 0)
    text += fmt::format("  hits {:.0f} %", 100 * sample.hit_rate());
  text += fmt::format("  {}/token", format_bytes(static_cast<uint64_t>(sample.bytes_per_token())));
  if (sample.spent.read_busy_ns != 0) {
    text += fmt::format("  disk {}/s", format_bytes(static_cast<uint64_t>(sample.read_bytes_per_second())));
  }
  if (sample.spent.read_flight_ns != 0) {
    text += fmt::format("  queue {:.1f}", sample.queue_depth());
  }
  text += fmt::format("  waiting {:.0f} %", 100 * sample.waiting_share());
  if (sample.spent.prefetch_useful_bytes + sample.spent.prefetch_wasted_bytes != 0) {
    text += fmt::format("  ahead {:.0f} % of use", 100 * sample.prefetch_useful_share());
  }
  return text;
}

std::string fitting_figures(std::string text, size_t columns) {
  constexpr std::string_view kGap = "  ";
  while (text.size() > columns) {
    const size_t end = text.rfind(kGap);
    text.resize(end == std::string::npos ? 0 : end);
  }
  return text;
}

// The columns of the window; 0 where there is no row to write to.
int StatusLine::reserve() {
  const WindowSize window = output_.traits().rewrites ? window_size() : WindowSize{};
  const int rows = window.rows >= kLeastRows ? window.rows : 0;
  if (rows != rows_ && rows != 0) {
    // A line break first, and up again: the text may stand on the last row.
    output_.write(
        fmt::format("\n\x1b[A\x1b"
                    "7\x1b[1;{}r\x1b"
                    "8",
                    rows - 1));
  }
  rows_ = rows;
  return rows == 0 ? 0 : window.columns;
}

StatusLine::~StatusLine() {
  if (rows_ == 0) return;
  output_.write(
      fmt::format("\x1b"
                  "7\x1b[r\x1b[{};1H\x1b[K\x1b"
                  "8",
                  rows_));
}

void StatusLine::update(const TelemetrySample& sample) {
  if (sample.phase != window_.phase) window_ = {};
  window_ += sample;
  const auto now = Clock::now();
  if (now < begin_ || now - drawn_ < kRedrawEvery) return;
  drawn_ = now;
  const int columns = reserve();
  std::string text = status_text(window_);
  window_ = {};
  if (columns == 0) return;
  text = fitting_figures(std::move(text), static_cast<size_t>(columns) - 1);
  output_.write(
      fmt::format("\x1b"
                  "7\x1b[{};1H\x1b[K{}\x1b"
                  "8",
                  rows_, output_.styled(Style::kDim, text)));
}

}  // namespace sluice
