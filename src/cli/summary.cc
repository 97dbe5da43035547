#include "cli/summary.h"

#include <fmt/format.h>

#include "base/units.h"
#include "engine/telemetry.h"

namespace sluice {
namespace {

std::string rate(uint64_t tokens, uint64_t ns) {
  if (tokens == 0 || ns == 0) return "";
  const double per_second = static_cast<double>(tokens) * 1e9 / static_cast<double>(ns);
  return fmt::format(", {:.{}f} tokens/s", per_second, per_second < 100 ? 1 : 0);
}

std::string tokens_text(uint64_t count) {
  return fmt::format("{} token{}", count, count == 1 ? "" : "s");
}

double percent(uint64_t part, uint64_t whole) {
  return 100 * static_cast<double>(part) / static_cast<double>(whole);
}

const char* finish_text(FinishReason finish) {
  switch (finish) {
    case FinishReason::kEndOfText:
      return "";
    case FinishReason::kMaxTokens:
      return " (as many as asked for)";
    case FinishReason::kContextFull:
      return " (the context is full)";
    case FinishReason::kCancelled:
      return " (interrupted)";
  }
  return "";
}

}  // namespace

uint64_t decode_passes(const GenerationResult& result) {
  // A token that was chosen is taken in before the next one is, or before a cancellation is noticed.
  const uint64_t chosen = result.stats.new_tokens;
  if (result.finish == FinishReason::kCancelled) return chosen;
  return chosen == 0 ? 0 : chosen - 1;
}

std::string summary_of(const GenerationResult& result) {
  const GenerationStats& stats = result.stats;
  const uint64_t passes = decode_passes(result);
  std::string line =
      tokens_text(result.ids.size()) + finish_text(result.finish) + rate(passes, stats.decode_ns);
  line += "; prompt " + tokens_text(stats.prompt_tokens);
  if (stats.reused_tokens != 0) line += fmt::format(" ({} known)", stats.reused_tokens);
  line += rate(stats.prompt_tokens - stats.reused_tokens, stats.prefill_ns);
  const uint64_t asked = stats.decode.hits + stats.decode.misses;
  if (asked == 0 || passes == 0) return line;
  line += fmt::format("; {:.1f} % hits, {}/token", percent(stats.decode.hits, asked),
                      format_bytes(stats.decode.read_bytes / passes));
  if (stats.decode_ns != 0)
    line += fmt::format(", waiting {:.0f} %", percent(stats.decode.wait_ns, stats.decode_ns));
  return line;
}

std::string reading_summary_of(const GenerationResult& result) {
  const uint64_t passes = decode_passes(result);
  const TelemetrySample sample{EnginePhase::kDecode, 0, result.stats.decode_ns, passes, result.stats.decode};
  if (sample.spent.read_busy_ns == 0 || passes == 0) return "";
  std::string line = fmt::format("disk {}/s for {:.0f} % of the time, {:.1f} reads in flight",
                                 format_bytes(static_cast<uint64_t>(sample.device_bytes_per_second())),
                                 100 * sample.device_busy_share(), sample.queue_depth());
  if (sample.spent.prefetched_bytes != 0) {
    line += fmt::format("; read ahead {}/token, {:.0f} % of use",
                        format_bytes(sample.spent.prefetched_bytes / passes),
                        100 * sample.prefetch_useful_share());
  }
  return line;
}

}  // namespace sluice
