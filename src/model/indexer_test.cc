#include "model/indexer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using namespace testing;

constexpr double kIndexerBase = 160000;
constexpr size_t kIndexedTokens = 43;  // ten blocks, and a part of the eleventh

class Indexer : public ::testing::Test {
 protected:
  Indexer() : bench_(small_config()), rope_(bench_.config().qk_rope_head_dim, kIndexerBase, nullptr) {
    const ModelConfig& config = bench_.config();
    const uint32_t width = config.index_head_dim;
    weights_.wq_b = bench_.matrix(config.index_n_heads * width, config.q_lora_rank);
    weights_.weights_proj = bench_.matrix(config.index_n_heads, config.hidden_size);
    weights_.compressor.wkv = bench_.matrix(2 * width, config.hidden_size);
    weights_.compressor.wgate = bench_.matrix(2 * width, config.hidden_size);
    weights_.compressor.ape = bench_.floats(size_t{4} * 2 * width);
    weights_.compressor.norm = bench_.floats(width, 1, 0.3F);
    x_ = bench_.floats(kIndexedTokens * config.hidden_size);
    qr_ = bench_.floats(kIndexedTokens * config.q_lora_rank);
  }

  CompressorState new_state() const {
    auto state = CompressorState::create({4, bench_.config().index_head_dim, true}, kIndexedTokens);
    EXPECT_TRUE(state.has_value());
    return std::move(*state);
  }

  std::vector<std::vector<uint32_t>> select(CompressorState& state, size_t begin, size_t count,
                                            ForwardObserver* observer = nullptr) {
    const auto ids = some_ids(count);
    CompressorState* const one = &state;
    return select_blocks(
        bench_.context(), weights_, rope_, 0, x_.data() + begin * bench_.config().hidden_size,
        qr_.data() + begin * bench_.config().q_lora_rank, Batch({ids, begin, observer}), {&one, 1});
  }

  // The page's score of a block for a token, over the keys that the compressor made.
  double plain_score(const CompressorState& state, size_t token, size_t block) const {
    const ModelConfig& config = bench_.config();
    const size_t width = config.index_head_dim;
    const Doubles qr = as_doubles(std::span(qr_).subspan(token * config.q_lora_rank, config.q_lora_rank));
    Doubles q = product(weights_.wq_b, qr);
    const Doubles head_weights =
        product(weights_.weights_proj,
                as_doubles(std::span(x_).subspan(token * config.hidden_size, config.hidden_size)));
    const Doubles key = as_doubles(decoded(state, block));
    double score = 0;
    for (size_t head = 0; head < config.index_n_heads; ++head) {
      const std::span query = std::span(q).subspan(head * width, width);
      turn(query, config.qk_rope_head_dim, kIndexerBase, static_cast<double>(token));
      const double agreement = inner_product(query, key) / std::sqrt(static_cast<double>(width));
      score += head_weights[head] / std::sqrt(static_cast<double>(config.index_n_heads)) *
               std::max(agreement, 0.0);
    }
    return score;
  }

  SublayerBench bench_;
  Rope rope_;
  IndexerWeights weights_;
  std::vector<float> x_, qr_;
};

// Keeps the scores, and has every token look at its oldest blocks.
class OldestBlocks : public ForwardObserver {
 public:
  void revise_blocks(uint32_t, uint64_t position, std::span<const float> scores,
                     std::span<uint32_t> blocks) override {
    seen[position].assign(scores.begin(), scores.end());
    std::iota(blocks.begin(), blocks.end(), 0U);
  }

  std::map<uint64_t, std::vector<float>> seen;
};

TEST_F(Indexer, ObserversMayReviseWhatScoresHaveChosen) {
  CompressorState state = new_state();
  OldestBlocks observer;
  const auto selected = select(state, 0, kIndexedTokens, &observer);
  const size_t most = bench_.config().index_topk;
  for (size_t t = 0; t < kIndexedTokens; ++t) {
    const size_t visible = (t + 1) / 4;
    ASSERT_EQ(observer.seen.contains(t), visible > most) << t;
    std::vector<uint32_t> oldest(std::min(visible, most));
    std::iota(oldest.begin(), oldest.end(), 0U);
    EXPECT_EQ(selected[t], oldest) << t;
    if (visible <= most) continue;
    ASSERT_EQ(observer.seen[t].size(), visible);
    for (size_t block = 0; block < visible; ++block)
      EXPECT_NEAR(observer.seen[t][block], plain_score(state, t, block), 1e-4) << t << ", " << block;
  }
}

TEST_F(Indexer, AllVisibleBlocksWhenThereAreFew) {
  CompressorState state = new_state();
  const auto selected = select(state, 0, kIndexedTokens);
  ASSERT_EQ(selected.size(), kIndexedTokens);
  for (size_t t = 0; t < 4 * 4 + 3; ++t) {  // until index_topk + 1 blocks are visible
    std::vector<uint32_t> all((t + 1) / 4);
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(selected[t], all) << "token " << t;
  }
}

TEST_F(Indexer, TheBlocksOfLargestScoreAscendingAndNoneFromTheFuture) {
  CompressorState state = new_state();
  const auto selected = select(state, 0, kIndexedTokens);
  bool others_left_out = false;
  for (size_t t = 19; t < kIndexedTokens; ++t) {
    std::vector<double> scores;
    for (size_t block = 0; block < (t + 1) / 4; ++block) scores.push_back(plain_score(state, t, block));
    std::vector<uint32_t> best(scores.size());
    std::iota(best.begin(), best.end(), 0U);
    std::sort(best.begin(), best.end(), [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; });
    best.resize(bench_.config().index_topk);
    std::sort(best.begin(), best.end());
    EXPECT_EQ(selected[t], best) << "token " << t;
    others_left_out |= best.back() != bench_.config().index_topk - 1;
  }
  EXPECT_TRUE(others_left_out);
}

TEST_F(Indexer, TheChoiceDoesNotDependOnTheCut) {
  CompressorState whole = new_state();
  const auto expected = select(whole, 0, kIndexedTokens);
  for (const size_t size : {size_t{1}, size_t{5}, size_t{16}}) {
    CompressorState state = new_state();
    for (size_t begin = 0; begin < kIndexedTokens; begin += size) {
      const size_t count = std::min(size, kIndexedTokens - begin);
      const auto selected = select(state, begin, count);
      for (size_t t = 0; t < count; ++t) EXPECT_EQ(selected[t], expected[begin + t]) << "chunks of " << size;
    }
  }
}

}  // namespace
}  // namespace sluice
