// What it costs to enter and leave a parallel region: the price that every sublayer pays several times a
// token.

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstddef>
#include <thread>

#include "base/thread_pool.h"

namespace sluice {
namespace {

// One range per thread, none of which ends before all have begun: entry of every thread, and exit.
void region_of_all_threads(benchmark::State& state) {
  ThreadPool pool(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    std::atomic<size_t> missing = pool.threads();
    pool.parallel_for(pool.threads(), 1, [&](size_t, size_t) {
      --missing;
      for (int spins = 0; missing != 0; ++spins) {
        if (spins % 1024 == 1023) std::this_thread::yield();  // where there are more threads than cores
      }
    });
  }
}
BENCHMARK(region_of_all_threads)->ArgName("threads")->RangeMultiplier(2)->Range(1, 16)->UseRealTime();

// Nothing to do, so that the caller does not wait for those that are late.
void empty_region(benchmark::State& state) {
  ThreadPool pool(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    pool.parallel_for(pool.threads(), 1, [](size_t begin, size_t) { benchmark::DoNotOptimize(begin); });
  }
}
BENCHMARK(empty_region)->ArgName("threads")->RangeMultiplier(2)->Range(1, 16)->UseRealTime();

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
