// One token's products at DeepSeek-V4-Flash's shapes: bytes of weights per second, beside what the same
// threads read from memory without computing.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/read_memory.h"
#include "kernels/activations.h"
#include "kernels/matmul.h"
#include "stored_matrix.h"

namespace sluice {
namespace {

constexpr size_t kReadBytes = size_t{96} << 20;  // beyond every cache

void memory_reads(benchmark::State& state) {
  ThreadPool pool(static_cast<size_t>(state.range(0)));
  const std::vector<uint64_t> words(kReadBytes / sizeof(uint64_t), 1);
  for (auto _ : state) benchmark::DoNotOptimize(read_memory(pool, std::as_bytes(std::span(words))));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kReadBytes));
}

void matvec(benchmark::State& state, WeightFormat format) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  ThreadPool pool(static_cast<size_t>(state.range(2)));
  const size_t copies = 1 + kReadBytes / weight_values_bytes(format, rows, cols);
  StoredMatrices matrices(format, rows, cols, copies);
  const std::vector<float> x(cols, 0.5F);
  std::vector<float> y(rows);
  for (auto _ : state) {
    matmul(pool, matrices.next(), x.data(), 1, y.data());
    benchmark::DoNotOptimize(y.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(matrices.size_bytes()));
}

// What fast numerics make of it, rounding included.
void matvec_fast(benchmark::State& state, WeightFormat format) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  ThreadPool pool(static_cast<size_t>(state.range(2)));
  StoredMatrices matrices(format, rows, cols, 1 + kReadBytes / weight_values_bytes(format, rows, cols));
  const std::vector<float> x(cols, 0.5F);
  std::vector<float> y(rows);
  const auto scratch = activations_scratch(format, 1, cols);
  for (auto _ : state) {
    const Activations inputs(pool, Numerics::kFast, format, x.data(), 1, cols, scratch.get());
    multiply(pool, inputs, matrices.next(), y.data());
    benchmark::DoNotOptimize(y.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(matrices.size_bytes()));
}

using Names = std::vector<std::string>;
const Names kShape = {"rows", "cols", "threads"};
BENCHMARK(memory_reads)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime();
BENCHMARK_CAPTURE(matvec, mxfp4, WeightFormat::kMXFP4)  // w1 and w3, w2
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matvec_fast, mxfp4, WeightFormat::kMXFP4)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matvec_fast, fp8, WeightFormat::kFP8)
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matvec, fp8, WeightFormat::kFP8)  // shared w1, w2; wq_b, wo_b
    ->ArgNames(kShape)
    ->ArgsProduct({{2048}, {4096}, {1, 2}})
    ->ArgsProduct({{4096}, {2048}, {1, 2}})
    ->ArgsProduct({{32768}, {1024}, {1, 2}})
    ->ArgsProduct({{4096}, {8192}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matvec, bf16, WeightFormat::kBF16)
    ->ArgNames(kShape)
    ->ArgsProduct({{4096}, {4096}, {1, 2}})
    ->UseRealTime();
BENCHMARK_CAPTURE(matvec, f32, WeightFormat::kF32)
    ->ArgNames(kShape)
    ->ArgsProduct({{256}, {4096}, {1, 2}})
    ->UseRealTime();

}  // namespace
}  // namespace sluice
