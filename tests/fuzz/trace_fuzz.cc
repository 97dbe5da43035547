// Any bytes as a trace: refused, or a trace that is written and read back to the same, and that every policy
// can be replayed on without hitting more often than the clairvoyant one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "experts/replay.h"
#include "experts/trace.h"

namespace {

// Replays take memory for every expert of every layer, and time for every route.
constexpr uint32_t kMaxReplayedExperts = 1024;
constexpr size_t kMaxReplayedRoutes = 256;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_replays(const sluice::Trace& trace) {
  const auto rows = sluice::replay_all(trace, "all", {{0.3, 1.0}});
  if (!rows) {
    require(!rows.error().message.empty());
    return;
  }
  const size_t policies = sluice::replay_policies().size();
  for (size_t i = 0; i < rows->size(); ++i) {
    const sluice::ReplayRow& row = (*rows)[i];
    const sluice::ReplayRow& belady = (*rows)[i / policies * policies + policies - 1];
    require(belady.policy == "belady" && row.accesses() == belady.accesses());
    // Prefill is not counted, and there the bound is free to lose: it only holds for runs that decode alone.
    if (trace.routes.front().phase == sluice::TracePhase::kDecode) require(row.hits <= belady.hits);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto trace = sluice::parse_trace(text, "fuzz.csv");
  if (!trace) {
    require(trace.error().code == sluice::ErrorCode::kCorrupt && !trace.error().message.empty());
    return 0;
  }
  const auto written = sluice::format_trace(*trace);
  require(written.has_value());
  const auto again = sluice::parse_trace(*written, "again.csv");
  require(again.has_value() && again->routes.size() == trace->routes.size());
  for (size_t i = 0; i < trace->routes.size(); ++i) {
    require(again->routes[i].experts == trace->routes[i].experts);
    require(again->routes[i].weights == trace->routes[i].weights);
    require(again->routes[i].scores == trace->routes[i].scores);
  }
  const bool is_small = trace->header.layers * trace->header.experts <= kMaxReplayedExperts &&
                        trace->routes.size() <= kMaxReplayedRoutes;
  if (is_small && !trace->routes.empty()) check_replays(*trace);
  return 0;
}
