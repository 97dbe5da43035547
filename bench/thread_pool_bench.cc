// What it costs to enter and leave a parallel region: the price that every sublayer pays several times a
// token.

#include <benchmark/benchmark.h>

#include <cstddef>

#include "base/thread_pool.h"

namespace sluice {
namespace {

// One index per thread and nothing to do: entry, hand-out and exit alone.
void region_entry(benchmark::State& state) {
  ThreadPool pool(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(pool.threads(), 1, [](size_t begin, size_t) { benchmark::DoNotOptimize(begin); });
  }
}
BENCHMARK(region_entry)->ArgName("threads")->RangeMultiplier(2)->Range(1, 16)->UseRealTime();

// One region of many indices: what handing out a range costs, with `threads` threads asking for the next one.
void range_hand_out(benchmark::State& state) {
  constexpr size_t kRanges = 4096;
  ThreadPool pool(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(kRanges, 1, [](size_t begin, size_t) { benchmark::DoNotOptimize(begin); });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRanges));
}
BENCHMARK(range_hand_out)->ArgName("threads")->RangeMultiplier(2)->Range(1, 16)->UseRealTime();

}  // namespace
}  // namespace sluice
