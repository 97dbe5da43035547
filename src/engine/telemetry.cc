#include "engine/telemetry.h"

namespace sluice {
namespace {

double ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

uint64_t ns_between(TelemetryMeter::Clock::time_point begin, TelemetryMeter::Clock::time_point end) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
}

}  // namespace

const char* engine_phase_name(EnginePhase phase) {
  return phase == EnginePhase::kPrefill ? "prefill" : "decode";
}

double TelemetrySample::tokens_per_second() const {
  return 1e9 * ratio(tokens, interval_ns);
}
double TelemetrySample::hit_rate() const {
  return ratio(spent.hits, spent.hits + spent.misses);
}
double TelemetrySample::bytes_per_token() const {
  return ratio(spent.read_bytes, tokens);
}
double TelemetrySample::read_bytes_per_second() const {
  return 1e9 * ratio(spent.read_bytes, interval_ns);
}
double TelemetrySample::device_busy_share() const {
  return ratio(spent.read_busy_ns, interval_ns);
}
double TelemetrySample::device_bytes_per_second() const {
  return 1e9 * ratio(spent.read_bytes, spent.read_busy_ns);
}
double TelemetrySample::queue_depth() const {
  return ratio(spent.read_flight_ns, spent.read_busy_ns);
}
double TelemetrySample::waiting_share() const {
  return ratio(spent.wait_ns, interval_ns);
}
double TelemetrySample::prefetch_useful_share() const {
  return ratio(spent.prefetch_useful_bytes, spent.prefetch_useful_bytes + spent.prefetch_wasted_bytes);
}

TelemetrySample& TelemetrySample::operator+=(const TelemetrySample& later) {
  phase = later.phase;
  at_ns = later.at_ns;
  interval_ns += later.interval_ns;
  tokens += later.tokens;
  spent = spent + later.spent;
  return *this;
}

TelemetrySample TelemetryMeter::take(EnginePhase phase, uint64_t tokens, const StreamCounters& counters,
                                     Clock::time_point now) {
  TelemetrySample sample{phase, ns_between(start_, now), ns_between(last_, now), tokens,
                         counters - counters_};
  last_ = now;
  counters_ = counters;
  return sample;
}

}  // namespace sluice
