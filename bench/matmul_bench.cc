// Many tokens' products: an expert's two widths and a dense one, in multiply-adds counted as two operations.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/activations.h"
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

// What fast numerics make of it, rounding included.
void matmul_of_tokens_fast(benchmark::State& state, WeightFormat format) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  const auto tokens = static_cast<size_t>(state.range(2));
  ThreadPool pool(static_cast<size_t>(state.range(3)));
  StoredMatrices matrices(format, rows, cols, 4);
  const std::vector<float> x(tokens * cols, 0.5F);
  std::vector<float> y(tokens * rows);
  const auto scratch = activations_scratch(format, tokens, cols);
  for (auto _ : state) {
    const Activations inputs(pool, Numerics::kFast, format, x.data(), tokens, cols, scratch.get());
    multiply(pool, inputs, matrices.next(), y.data());
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
BENCHMARK_CAPTURE(matmul_of_tokens_fast, mxfp4, WeightFormat::kMXFP4)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {128}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matmul_of_tokens_fast, fp8, WeightFormat::kFP8)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matmul_of_tokens, fp8, WeightFormat::kFP8)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {2, 4, 8, 32, 128, 512}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace sluice
