#include "model/expert_products.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using testing::as_doubles;
using testing::Doubles;
using testing::product;
using testing::SublayerBench;

constexpr double kLimit = 0.6;  // so low that it is met

// y [D] of one token, in double precision.
Doubles output_of(const ExpertMatrices& expert, std::span<const float> x) {
  const Doubles gates = product(expert.w1, as_doubles(x));
  const Doubles ups = product(expert.w3, as_doubles(x));
  Doubles inner;
  for (size_t i = 0; i < gates.size(); ++i) {
    const double gate = std::min(gates[i], kLimit);
    inner.push_back(gate / (1 + std::exp(-gate)) * std::clamp(ups[i], -kLimit, kLimit));
  }
  return product(expert.w2, inner);
}

// Experts of different widths, among them two with the same tokens, one after the other.
class ExpertProductsTest : public ::testing::Test {
 protected:
  ExpertProductsTest() : bench_(config()) {
    shared_x_ = bench_.floats(2 * kHidden);
    for (const auto& [inner, tokens] : {std::pair{16U, 2U}, {32U, 2U}, {16U, 1U}, {700U, 3U}}) {
      const bool is_first = experts_.size() < 2;
      if (!is_first) own_x_.push_back(bench_.floats(tokens * kHidden));
      ys_.emplace_back(tokens * kHidden);
      const ExpertMatrices weights{bench_.matrix(inner, kHidden), bench_.matrix(inner, kHidden),
                                   bench_.matrix(kHidden, inner)};
      experts_.push_back(
          {weights, is_first ? shared_x_.data() : own_x_.back().data(), tokens, ys_.back().data()});
    }
  }

  static ModelConfig config() {
    ModelConfig config = testing::small_config();
    config.hidden_size = kHidden;
    config.swiglu_limit = kLimit;
    return config;
  }

  static constexpr uint32_t kHidden = 200;
  SublayerBench bench_;
  std::vector<float> shared_x_;
  std::deque<std::vector<float>> own_x_;
  std::deque<std::vector<float>> ys_;
  std::vector<ExpertProducts> experts_;
};

TEST_F(ExpertProductsTest, AreThoseOfEachExpertAndToken) {
  compute_together(bench_.context(), experts_);
  for (const auto& [weights, x, tokens, y] : experts_) {
    for (size_t t = 0; t < tokens; ++t) {
      const Doubles expected = output_of(weights, {x + t * kHidden, kHidden});
      for (size_t i = 0; i < kHidden; ++i)
        EXPECT_NEAR(y[t * kHidden + i], expected[i], 1e-5) << weights.w1.rows << ", " << t << ", " << i;
    }
  }
}

TEST_F(ExpertProductsTest, HaveTheSameBitsAloneAndTogether) {
  compute_together(bench_.context(), experts_);
  const std::deque<std::vector<float>> together = ys_;
  for (const ExpertProducts& expert : experts_) {
    std::fill_n(expert.y, expert.tokens * kHidden, 0.0F);
    compute_together(bench_.context(), {&expert, 1});
  }
  EXPECT_EQ(ys_, together);
}

TEST_F(ExpertProductsTest, GiveTheWorkspaceBack) {
  const float* const before = bench_.workspace().floats(1);
  compute_together(bench_.context(), experts_);
  EXPECT_EQ(bench_.workspace().floats(1), before + 16);
}

TEST_F(ExpertProductsTest, OfNoExpertAreNothing) {
  compute_together(bench_.context(), {});
}

}  // namespace
}  // namespace sluice
