#include "model/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using namespace testing;

// The score of every expert, read plainly.
Doubles plain_scores(ScoringFunc scoring, Doubles s) {
  const double largest = *std::max_element(s.begin(), s.end());
  double total = 0;
  for (const double value : s) total += std::exp(value - largest);
  for (double& value : s) {
    switch (scoring) {
      case ScoringFunc::kSqrtSoftplus:
        value = std::sqrt(std::log1p(std::exp(value)));
        break;
      case ScoringFunc::kSigmoid:
        value = 1 / (1 + std::exp(-value));
        break;
      case ScoringFunc::kSoftmax:
        value = std::exp(value - largest) / total;
        break;
    }
  }
  return s;
}

struct Routed {
  std::vector<uint32_t> experts;
  std::vector<float> weights;
};

Routed route_one(SublayerBench& bench, const RouterWeights& weights, std::span<const float> x, int32_t id) {
  const Workspace::Scope scope(bench.workspace());
  const Routing routing = route(bench.context(), weights, x.data(), Batch({{&id, 1}, 0}));
  const size_t k = bench.config().num_experts_per_tok;
  return {{routing.experts, routing.experts + k}, {routing.weights, routing.weights + k}};
}

class EveryScoring : public ::testing::TestWithParam<ScoringFunc> {};
INSTANTIATE_TEST_SUITE_P(Router, EveryScoring,
                         ::testing::Values(ScoringFunc::kSqrtSoftplus, ScoringFunc::kSigmoid,
                                           ScoringFunc::kSoftmax),
                         [](const auto& each) { return scoring_func_name(each.param); });

TEST_P(EveryScoring, ChoosesByBiasedScoreAndWeighsByTheUnbiased) {
  ModelConfig config = small_config();
  config.scoring_func = GetParam();
  SublayerBench bench(config);
  RouterWeights weights;
  weights.gate = bench.matrix(9, 24);
  weights.bias = bench.floats(9, 0, 0.8F);
  bool bias_decided = false;
  for (int trial = 0; trial < 50; ++trial) {
    const auto x = bench.floats(24, 0, 2);
    const Doubles scores = plain_scores(config.scoring_func, product(weights.gate, as_doubles(x)));
    std::vector<uint32_t> order(9);
    std::iota(order.begin(), order.end(), 0U);
    auto by_score = order;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return scores[a] + weights.bias[a] > scores[b] + weights.bias[b];
    });
    std::sort(by_score.begin(), by_score.end(),
              [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
    bias_decided |= !std::equal(order.begin(), order.begin() + 3, by_score.begin());
    const Routed routed = route_one(bench, weights, x, 0);
    ASSERT_TRUE(std::equal(order.begin(), order.begin() + 3, routed.experts.begin()));
    const double total = scores[order[0]] + scores[order[1]] + scores[order[2]];
    for (size_t rank = 0; rank < 3; ++rank) {
      ASSERT_NEAR(routed.weights[rank], scores[order[rank]] / total * 2.5, 2e-6);
    }
  }
  EXPECT_TRUE(bias_decided);  // or the test would not see the bias
}

TEST_P(EveryScoring, WeightsSumToTheScalingFactorAlsoForExtremeProducts) {
  ModelConfig config = small_config();
  config.scoring_func = GetParam();
  SublayerBench bench(config);
  RouterWeights weights;
  weights.gate = bench.matrix(9, 24);
  weights.bias.assign(9, 0.0F);
  for (const float magnitude : {1e-3F, 1.0F, 60.0F, 3000.0F}) {
    const auto x = bench.floats(24, 0, magnitude);
    const Routed routed = route_one(bench, weights, x, 0);
    EXPECT_NEAR(std::accumulate(routed.weights.begin(), routed.weights.end(), 0.0), 2.5, 1e-5) << magnitude;
  }
}

TEST(Router, EqualScoresGoToTheLowerExpert) {
  SublayerBench bench(small_config());
  RouterWeights weights;
  weights.gate = bench.own(9, 24, std::vector<float>(9 * 24, 0.0F));
  weights.bias = {0, 0, 1, 0, 1, 0, 0, 0, 0};
  const auto x = bench.floats(24);
  EXPECT_EQ(route_one(bench, weights, x, 0).experts, (std::vector<uint32_t>{2, 4, 0}));
}

TEST(Router, HashLayersTakeTheTablesExpertsInItsOrder) {
  SublayerBench bench(small_config());
  RouterWeights weights;
  weights.gate = bench.matrix(9, 24);
  const auto x = bench.floats(24);
  const Doubles scores = plain_scores(ScoringFunc::kSqrtSoftplus, product(weights.gate, as_doubles(x)));
  std::vector<int64_t> wide(50 * 3);
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<int64_t>((i / 3 + 4 * (i % 3)) % 9);
  const std::vector<int32_t> narrow(wide.begin(), wide.end());
  for (const bool is_64_bit : {true, false}) {
    const auto* entries = is_64_bit ? reinterpret_cast<const std::byte*>(wide.data())
                                    : reinterpret_cast<const std::byte*>(narrow.data());
    weights.table = ExpertTable{entries, is_64_bit, 3};
    for (const int32_t id : {0, 7, 49}) {
      const Routed routed = route_one(bench, weights, x, id);
      double total = 0;
      for (size_t rank = 0; rank < 3; ++rank)
        total += scores[static_cast<size_t>(wide[static_cast<size_t>(id) * 3 + rank])];
      for (size_t rank = 0; rank < 3; ++rank) {
        const auto expert = static_cast<uint32_t>(wide[static_cast<size_t>(id) * 3 + rank]);
        EXPECT_EQ(routed.experts[rank], expert);
        EXPECT_NEAR(routed.weights[rank], scores[expert] / total * 2.5, 2e-6);
      }
    }
  }
}

TEST(Router, ATokenIsRoutedTheSameInAnyChunk) {
  SublayerBench bench(small_config());
  RouterWeights weights;
  weights.gate = bench.matrix(9, 24);
  weights.bias = bench.floats(9, 0, 0.5F);
  const auto x = bench.floats(40 * 24);
  const auto ids = some_ids(40);
  const Workspace::Scope scope(bench.workspace());
  const Routing together = route(bench.context(), weights, x.data(), Batch({ids, 0}));
  for (size_t t = 0; t < 40; ++t) {
    const Routed alone = route_one(bench, weights, std::span(x).subspan(t * 24, 24), ids[t]);
    EXPECT_EQ(std::memcmp(alone.experts.data(), together.experts + t * 3, 3 * sizeof(uint32_t)), 0);
    EXPECT_EQ(std::memcmp(alone.weights.data(), together.weights + t * 3, 3 * sizeof(float)), 0);
  }
}

}  // namespace
}  // namespace sluice
