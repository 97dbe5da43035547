// What a token's attention costs at DeepSeek-V4-Flash's shapes beside its products: on one thread.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "kernels/attend.h"
#include "kernels/score_rows.h"
#include "kernels/top_k.h"

namespace sluice {
namespace {

constexpr size_t kHeads = 64;

std::vector<float> random_floats(size_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

std::vector<const float*> rows_of(const std::vector<float>& values, size_t width) {
  std::vector<const float*> rows;
  for (size_t at = 0; at < values.size(); at += width) rows.push_back(values.data() + at);
  return rows;
}

// 64 heads over range(0) rows of 512; 640 rows are a full window and the blocks that an indexer picks.
void attend_rows(benchmark::State& state) {
  constexpr size_t kWidth = 512;
  const auto count = static_cast<size_t>(state.range(0));
  const std::vector<float> values = random_floats(count * kWidth);
  const std::vector<const float*> rows = rows_of(values, kWidth);
  const std::vector<float> q = random_floats(kHeads * kWidth);
  const std::vector<float> sinks(kHeads);
  std::vector<float> out(kHeads * kWidth);
  for (auto _ : state) {
    for (size_t h = 0; h < kHeads; h += kAttendHeads) {
      attend(q.data() + h * kWidth, kAttendHeads, rows, kWidth, 0.05F, sinks.data() + h,
             out.data() + h * kWidth);
    }
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["FLOP/s"] = benchmark::Counter(4.0 * kHeads * kWidth * static_cast<double>(count),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(attend_rows)->Arg(128)->Arg(640)->Arg(8192);

// The indexer's 64 heads over range(0) keys of 128: a context of four times as many tokens.
void score_keys(benchmark::State& state) {
  constexpr size_t kWidth = 128;
  constexpr size_t kAtOnce = 64;
  const auto count = static_cast<size_t>(state.range(0));
  const std::vector<float> values = random_floats(count * kWidth);
  const std::vector<const float*> rows = rows_of(values, kWidth);
  const std::vector<float> q = random_floats(kHeads * kWidth);
  std::vector<float> scores(kHeads * kAtOnce);
  for (auto _ : state) {
    for (size_t first = 0; first < count; first += kAtOnce) {
      score_rows(q.data(), kHeads, std::span(rows).subspan(first, kAtOnce), kWidth, scores.data(), kAtOnce);
    }
    benchmark::DoNotOptimize(scores.data());
  }
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * kHeads * kWidth * static_cast<double>(count),
                                                benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(score_keys)->Arg(1 << 13)->Arg(1 << 15)->Arg(1 << 18);

// The 512 best of range(0).
void best_of(benchmark::State& state) {
  const std::vector<float> scores = random_floats(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(top_k(scores, 512));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(best_of)->Arg(1 << 13)->Arg(1 << 15)->Arg(1 << 18);

}  // namespace
}  // namespace sluice
