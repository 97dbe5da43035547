// What lies between products: element-wise arithmetic at DeepSeek-V4-Flash's widths, on one thread.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <vector>

#include "kernels/vector_ops.h"

namespace sluice {
namespace {

void count_elements(benchmark::State& state, size_t elements) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(elements));
}

void dot_products(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const std::vector<float> a(n, 0.5F);
  const std::vector<float> b(n, 0.25F);
  for (auto _ : state) benchmark::DoNotOptimize(dot(a.data(), b.data(), n));
  count_elements(state, n);
}
BENCHMARK(dot_products)->Arg(512)->Arg(4096);

void rms_norms(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const std::vector<float> x(n, 0.5F);
  std::vector<float> y(n);
  for (auto _ : state) {
    rms_norm(x.data(), x.data(), 1e-6F, n, y.data());
    benchmark::DoNotOptimize(y.data());
  }
  count_elements(state, n);
}
BENCHMARK(rms_norms)->Arg(4096);

void swiglus(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const std::vector<float> gate(n, 0.5F);
  std::vector<float> y(n);
  for (auto _ : state) {
    swiglu(gate.data(), gate.data(), 10.0F, n, y.data());
    benchmark::DoNotOptimize(y.data());
  }
  count_elements(state, n);
}
BENCHMARK(swiglus)->Arg(2048);

}  // namespace
}  // namespace sluice
