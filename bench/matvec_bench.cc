// One token's products at DeepSeek-V4-Flash's shapes, on one thread: bytes of weights per second.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "kernels/matmul.h"

namespace sluice {
namespace {

constexpr size_t kCopies = 8;  // so that the weights come from memory and not from a cache

void matvec(benchmark::State& state, WeightFormat format) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto cols = static_cast<uint32_t>(state.range(1));
  const uint64_t values_bytes = weight_values_bytes(format, rows, cols);
  const uint64_t scales_bytes = weight_scales_bytes(format, rows, cols);
  std::mt19937 random(1);
  std::vector<std::byte> values(values_bytes * kCopies);
  std::vector<std::byte> scales(scales_bytes, std::byte{122});
  for (auto& value : values) value = static_cast<std::byte>(random() & 0x3b);
  std::vector<float> x(cols, 0.5F);
  std::vector<float> y(rows);
  size_t copy = 0;
  for (auto _ : state) {
    const WeightMatrix w{format, rows, cols, values.data() + copy * values_bytes, scales.data()};
    matmul_rows(w, 0, rows, x.data(), cols, 1, y.data(), rows);
    benchmark::DoNotOptimize(y.data());
    copy = (copy + 1) % kCopies;
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * (values_bytes + scales_bytes)));
}

BENCHMARK_CAPTURE(matvec, mxfp4, WeightFormat::kMXFP4)->Args({2048, 4096})->Args({4096, 2048});
BENCHMARK_CAPTURE(matvec, fp8, WeightFormat::kFP8)->Args({4096, 4096});
BENCHMARK_CAPTURE(matvec, bf16, WeightFormat::kBF16)->Args({4096, 4096});

}  // namespace
}  // namespace sluice
