// Many tokens' products: an expert's two widths and a dense one, in multiply-adds counted as two operations.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/activations.h"
#include "kernels/fixed_point.h"
#include "kernels/matmul.h"
#include "stored_matrix.h"

namespace sluice {
namespace {

void matmul_of_tokens(benchmark::State& state, WeightFormat format) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  const auto tokens = static_cast<size_t>(state.range(2));
  ThreadPool pool(static_cast<size_t>(state.range(3)));
  StoredMatrices matrices(format, rows, cols, 4);
  const std::vector<float> x(tokens * cols, 0.5F);
  std::vector<float> y(tokens * rows);
  for (auto _ : state) {
    matmul(pool, matrices.next(), x.data(), tokens, y.data());
    benchmark::DoNotOptimize(y.data());
  }
  const double operations = 2.0 * rows * cols * static_cast<double>(tokens);
  state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate,
                                               benchmark::Counter::kIs1000);
}

void matmul_of_tokens_fast(benchmark::State& state) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  const auto tokens = static_cast<size_t>(state.range(2));
  ThreadPool pool(static_cast<size_t>(state.range(3)));
  constexpr auto kFormat = WeightFormat::kMXFP4;
  StoredMatrices matrices(kFormat, rows, cols, 4);
  const std::vector<float> x(tokens * cols, 0.5F);
  std::vector<float> y(tokens * rows);
  std::vector<FixedGroup> scratch(tokens * groups_of(cols));
  for (auto _ : state) {
    const WeightMatrix matrix = matrices.next();
    const Activations inputs(pool, Numerics::kFast, kFormat, x.data(), tokens, cols,
                             reinterpret_cast<float*>(scratch.data()));
    pool.parallel_for(rows, rows_per_task(matrix, tokens, pool.threads()), [&](size_t begin, size_t end) {
      inputs.multiply_rows(matrix, begin, end, y.data(), rows);
    });
    benchmark::DoNotOptimize(y.data());
  }
  const double operations = 2.0 * rows * cols * static_cast<double>(tokens);
  state.counters["flops"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate,
                                               benchmark::Counter::kIs1000);
}

const std::vector<std::string> kShape = {"rows", "cols", "tokens", "threads"};
BENCHMARK_CAPTURE(matmul_of_tokens, mxfp4, WeightFormat::kMXFP4)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {128}, {1, 2}})
    ->UseRealTime();
BENCHMARK(matmul_of_tokens_fast)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {128}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matmul_of_tokens, fp8, WeightFormat::kFP8)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace sluice
