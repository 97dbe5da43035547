// What counting costs: it must stay below 1 % of decoding.
#include <benchmark/benchmark.h>

#include "engine/telemetry.h"
#include "experts/flight_clock.h"

namespace sluice {
namespace {

// Once for every read.
void count_a_read(benchmark::State& state) {
  FlightClock clock;
  StreamCounters totals;
  for (auto _ : state) {
    clock.begin(1, totals);
    clock.end_one(totals);
    ++totals.reads;
    totals.read_bytes += 4096;
    benchmark::DoNotOptimize(totals);
  }
}
BENCHMARK(count_a_read);

// Once for every token, when somebody looks (--live, --telemetry).
void take_a_sample(benchmark::State& state) {
  StreamCounters totals;
  TelemetryMeter meter(totals);
  for (auto _ : state) {
    ++totals.hits;
    benchmark::DoNotOptimize(meter.take(EnginePhase::kDecode, 1, totals));
  }
}
BENCHMARK(take_a_sample);

}  // namespace
}  // namespace sluice
