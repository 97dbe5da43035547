#include "model/hyper_connection.h"

#include <gtest/gtest.h>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using namespace testing;

double plain_sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// m = fn · vec(h), normalised without a weight.
Doubles plain_products(const WeightMatrix& fn, const Doubles& h, double eps) {
  double squares = 0;
  for (const double value : h) squares += value * value;
  Doubles m = product(fn, h);
  for (double& value : m) value /= std::sqrt(squares / static_cast<double>(h.size()) + eps);
  return m;
}

void divide(Doubles& comb, size_t n, bool rows, double eps) {
  for (size_t i = 0; i < n; ++i) {
    double total = eps;
    for (size_t j = 0; j < n; ++j) total += rows ? comb[i * n + j] : comb[j * n + i];
    for (size_t j = 0; j < n; ++j) (rows ? comb[i * n + j] : comb[j * n + i]) /= total;
  }
}

// comb [hc, hc] from its products, with scale and base applied.
Doubles plain_comb(Doubles comb, size_t n, uint32_t iterations, double eps) {
  for (double& value : comb) value = std::exp(value);
  divide(comb, n, /*rows=*/true, 0);
  for (double& value : comb) value += eps;
  divide(comb, n, /*rows=*/false, eps);
  for (uint32_t i = 1; i < iterations; ++i) {
    divide(comb, n, true, eps);
    divide(comb, n, false, eps);
  }
  return comb;
}

class EveryCountOfStreams : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(HyperConnection, EveryCountOfStreams, ::testing::Values(1U, 3U, 4U, 16U));

TEST_P(EveryCountOfStreams, StreamsGoThroughASublayerAsThePageSays) {
  const size_t hc = GetParam();
  ModelConfig config = small_config();
  config.hc_mult = GetParam();
  SublayerBench bench(config);
  const size_t hidden = config.hidden_size;
  const auto rows = static_cast<uint32_t>((2 + hc) * hc);
  const HyperConnectionWeights weights{
      bench.matrix(rows, static_cast<uint32_t>(hc * hidden)), bench.floats(rows), {1.3F, 0.7F, 1.9F}};
  constexpr size_t kTokens = 9;
  const auto before = bench.floats(kTokens * hc * hidden);
  const auto y = bench.floats(kTokens * hidden);
  auto after = before;
  std::vector<float> x(kTokens * hidden);
  const Workspace::Scope scope(bench.workspace());
  const StreamMixing mixing = hc_pre(bench.context(), weights, before.data(), kTokens, x.data());
  hc_post(bench.context(), mixing, y.data(), kTokens, after.data());

  for (size_t t = 0; t < kTokens; ++t) {
    const Doubles h = as_doubles(std::span(before).subspan(t * hc * hidden, hc * hidden));
    const Doubles m = plain_products(weights.fn, h, config.rms_norm_eps);
    Doubles comb(hc * hc);
    for (size_t i = 0; i < comb.size(); ++i)
      comb[i] = m[2 * hc + i] * weights.scale[2] + weights.base[2 * hc + i];
    comb = plain_comb(comb, hc, config.hc_sinkhorn_iters, config.hc_eps);
    Doubles read(hidden), mixed(hc * hidden);
    for (size_t s = 0; s < hc; ++s) {
      const double pre = plain_sigmoid(m[s] * weights.scale[0] + weights.base[s]) + config.hc_eps;
      const double post = 2 * plain_sigmoid(m[hc + s] * weights.scale[1] + weights.base[hc + s]);
      for (size_t c = 0; c < hidden; ++c) {
        read[c] += pre * h[s * hidden + c];
        mixed[s * hidden + c] = post * y[t * hidden + c];
        // comb's first index is the stream that is read.
        for (size_t j = 0; j < hc; ++j) mixed[s * hidden + c] += comb[j * hc + s] * h[j * hidden + c];
      }
    }
    expect_near(std::span(x).subspan(t * hidden, hidden), read, 2e-5, "x");
    expect_near(std::span(after).subspan(t * hc * hidden, hc * hidden), mixed, 2e-5, "streams");
  }
}

TEST_P(EveryCountOfStreams, TheHeadIsTheWeightedSumAlone) {
  const size_t hc = GetParam();
  ModelConfig config = small_config();
  config.hc_mult = GetParam();
  SublayerBench bench(config);
  const size_t hidden = config.hidden_size;
  const HyperConnectionWeights weights{
      bench.matrix(GetParam(), static_cast<uint32_t>(hc * hidden)), bench.floats(hc), {1.3F}};
  const auto streams = bench.floats(2 * hc * hidden);
  std::vector<float> x(2 * hidden);
  hc_head(bench.context(), weights, streams.data(), 2, x.data());
  for (size_t t = 0; t < 2; ++t) {
    const Doubles h = as_doubles(std::span(streams).subspan(t * hc * hidden, hc * hidden));
    const Doubles m = plain_products(weights.fn, h, config.rms_norm_eps);
    Doubles sum(hidden);
    for (size_t s = 0; s < hc; ++s) {
      const double pre = plain_sigmoid(m[s] * weights.scale[0] + weights.base[s]) + config.hc_eps;
      for (size_t c = 0; c < hidden; ++c) sum[c] += pre * h[s * hidden + c];
    }
    expect_near(std::span(x).subspan(t * hidden, hidden), sum, 1e-5, "x");
  }
}

}  // namespace
}  // namespace sluice
