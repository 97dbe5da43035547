// What a token's attention costs at DeepSeek-V4-Flash's shapes beside its products: on one thread.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "kernels/attend.h"
#include "kernels/index_scores.h"
#include "kernels/rows_testing.h"
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

// What memory brings and what is computed, as rates.
void set_counters(benchmark::State& state, double row_values, double flops_per_value) {
  const auto format = static_cast<RowFormat>(state.range(1));
  state.SetLabel(row_format_name(format));
  state.counters["FLOP/s"] =
      benchmark::Counter(row_values * flops_per_value, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["rows/s"] =
      benchmark::Counter(row_values * element_bytes(format), benchmark::Counter::kIsIterationInvariantRate,
                         benchmark::Counter::kIs1000);
}

const std::vector<int64_t> kFormats = {static_cast<int64_t>(RowFormat::kF32),
                                       static_cast<int64_t>(RowFormat::kF16),
                                       static_cast<int64_t>(RowFormat::kBF16)};

// 64 heads over range(0) rows of 512; 640 rows are a full window and the blocks that an indexer picks.
void attend_rows(benchmark::State& state) {
  constexpr size_t kWidth = 512;
  const auto count = static_cast<size_t>(state.range(0));
  const StoredRows rows(static_cast<RowFormat>(state.range(1)), random_floats(count * kWidth), kWidth);
  const std::vector<float> q = random_floats(kHeads * kWidth);
  const std::vector<float> sinks(kHeads);
  std::vector<float> out(kHeads * kWidth);
  for (auto _ : state) {
    attend(q.data(), kHeads, rows.view(), kWidth, 0.05F, sinks.data(), out.data());
    benchmark::DoNotOptimize(out.data());
  }
  set_counters(state, static_cast<double>(count * kWidth), 4.0 * kHeads);
}
BENCHMARK(attend_rows)->ArgsProduct({{128, 640, 8192}, kFormats});

// The indexer's 64 heads over range(0) keys of 128: a context of four times as many tokens.
void score_keys(benchmark::State& state) {
  constexpr size_t kWidth = 128;
  const auto count = static_cast<size_t>(state.range(0));
  const StoredRows keys(static_cast<RowFormat>(state.range(1)), random_floats(count * kWidth), kWidth);
  const std::vector<float> q = random_floats(kHeads * kWidth);
  std::vector<float> packed(packed_queries_floats(kHeads, kWidth));
  std::vector<float> scores(count);
  for (auto _ : state) {
    pack_queries(q.data(), q.data(), kHeads, kWidth, packed.data());
    index_scores(packed.data(), kHeads, kWidth, keys.view(), scores.data());
    benchmark::DoNotOptimize(scores.data());
  }
  set_counters(state, static_cast<double>(count * kWidth), 2.0 * kHeads);
}
BENCHMARK(score_keys)->ArgsProduct({{1 << 13, 1 << 15, 1 << 18}, kFormats});

// The 512 best of range(0).
void best_of(benchmark::State& state) {
  const std::vector<float> scores = random_floats(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(top_k(scores, 512));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(best_of)->Arg(1 << 13)->Arg(1 << 15)->Arg(1 << 18);

}  // namespace
}  // namespace sluice
