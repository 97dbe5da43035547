#include "model/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using namespace testing;

constexpr double kBase = 10000;

// One layer of a kind, with random weights, and its reading in double precision.
class OneLayer {
 public:
  explicit OneLayer(uint32_t ratio)
      : ratio_(ratio), bench_(small_config()), rope_(bench_.config().qk_rope_head_dim, kBase, nullptr) {
    const ModelConfig& c = bench_.config();
    const uint32_t heads_width = c.num_attention_heads * c.head_dim;
    weights_.wq_a = bench_.matrix(c.q_lora_rank, c.hidden_size);
    weights_.q_norm = bench_.floats(c.q_lora_rank, 1, 0.3F);
    weights_.wq_b = bench_.matrix(heads_width, c.q_lora_rank);
    weights_.wkv = bench_.matrix(c.head_dim, c.hidden_size);
    weights_.kv_norm = bench_.floats(c.head_dim, 1, 0.3F);
    weights_.attn_sink = bench_.floats(c.num_attention_heads);
    weights_.wo_a = bench_.matrix(c.o_groups * c.o_lora_rank, heads_width / c.o_groups);
    weights_.wo_b = bench_.matrix(c.hidden_size, c.o_groups * c.o_lora_rank);
    if (ratio != 0) weights_.compressor = compressor(ratio, c.head_dim);
    if (ratio != 4) return;
    weights_.indexer.emplace();
    weights_.indexer->wq_b = bench_.matrix(c.index_n_heads * c.index_head_dim, c.q_lora_rank);
    weights_.indexer->weights_proj = bench_.matrix(c.index_n_heads, c.hidden_size);
    weights_.indexer->compressor = compressor(4, c.index_head_dim);
  }

  SublayerBench& bench() { return bench_; }
  size_t hidden() const { return bench_.config().hidden_size; }

  SequenceState new_state(size_t tokens, RowFormat format = RowFormat::kF32) const {
    const ModelConfig& c = bench_.config();
    LayerStateShape shape{c.sliding_window, c.head_dim, std::nullopt, std::nullopt, format};
    if (ratio_ != 0) shape.compressor = CompressorShape{ratio_, c.head_dim, ratio_ == 4, format};
    if (ratio_ == 4) shape.indexer = CompressorShape{4, c.index_head_dim, true, format};
    auto state = SequenceState::create({&shape, 1}, tokens);
    EXPECT_TRUE(state.has_value());
    return std::move(*state);
  }

  // The sublayer over x [tokens, D], in chunks of `size`; `selected` gets the indexer's choice per token.
  std::vector<float> run(const std::vector<float>& x, size_t size, SequenceState& state,
                         std::vector<std::vector<uint32_t>>* selected = nullptr) {
    struct IndexWatcher : ForwardObserver {
      std::vector<std::vector<uint32_t>>* selected = nullptr;
      void on_index(uint32_t, uint64_t, std::span<const uint32_t> blocks) override {
        selected->emplace_back(blocks.begin(), blocks.end());
      }
    } watcher;
    watcher.selected = selected;
    const ForwardContext context = bench_.context();
    LayerState* const layer_state = &state.layer(0);
    const size_t tokens = x.size() / hidden();
    const auto ids = some_ids(tokens);
    std::vector<float> y(x.size());
    for (size_t begin = 0; begin < tokens; begin += size) {
      const Batch batch({std::span(ids).subspan(begin, std::min(size, tokens - begin)), begin,
                         selected == nullptr ? nullptr : &watcher});
      attention(context, weights_, rope_, 0, x.data() + begin * hidden(), batch, {&layer_state, 1},
                y.data() + begin * hidden());
    }
    return y;
  }

  // The page, read plainly, for the last of the tokens in x. Compressed rows, which have a test of their own,
  // are taken from the state; `blocks` are those that the token may see.
  Doubles plain_output(const std::vector<float>& x, size_t token, const SequenceState& state,
                       const std::vector<uint32_t>& blocks) {
    const ModelConfig& c = bench_.config();
    const size_t d = c.head_dim;
    const auto at = [&](size_t t) { return as_doubles(std::span(x).subspan(t * hidden(), hidden())); };
    std::vector<Doubles> rows;
    for (size_t t = token + 1 > c.sliding_window ? token + 1 - c.sliding_window : 0; t <= token; ++t) {
      rows.push_back(normed(product(weights_.wkv, at(t)), weights_.kv_norm, c.rms_norm_eps));
      turn(rows.back(), c.qk_rope_head_dim, kBase, static_cast<double>(t));
    }
    auto& layer = const_cast<SequenceState&>(state).layer(0);
    for (const uint32_t block : blocks) rows.push_back(as_doubles(decoded(*layer.compressor, block)));
    const Doubles qr = normed(product(weights_.wq_a, at(token)), weights_.q_norm, c.rms_norm_eps);
    const Doubles q = product(weights_.wq_b, qr);
    Doubles heads;
    for (size_t head = 0; head < c.num_attention_heads; ++head) {
      Doubles query = normed(std::span(q).subspan(head * d, d), {}, c.rms_norm_eps);
      turn(query, c.qk_rope_head_dim, kBase, static_cast<double>(token));
      Doubles output(d);
      double total = std::exp(double{weights_.attn_sink[head]});
      for (const Doubles& row : rows)
        total += std::exp(inner_product(query, row) / std::sqrt(static_cast<double>(d)));
      for (const Doubles& row : rows) {
        const double share = std::exp(inner_product(query, row) / std::sqrt(static_cast<double>(d))) / total;
        for (size_t i = 0; i < d; ++i) output[i] += share * row[i];
      }
      turn(output, c.qk_rope_head_dim, kBase, -static_cast<double>(token));
      heads.insert(heads.end(), output.begin(), output.end());
    }
    return product(weights_.wo_b, grouped_latent(heads));
  }

 private:
  CompressorWeights compressor(uint32_t ratio, uint32_t row_width) {
    const uint32_t input_width = ratio == 4 ? 2 * row_width : row_width;
    CompressorWeights weights;
    weights.wkv = bench_.matrix(input_width, bench_.config().hidden_size);
    weights.wgate = bench_.matrix(input_width, bench_.config().hidden_size);
    weights.ape = bench_.floats(size_t{ratio} * input_width);
    weights.norm = bench_.floats(row_width, 1, 0.3F);
    return weights;
  }

  // Each group of heads through its own rows of wo_a, end to end.
  Doubles grouped_latent(const Doubles& heads) const {
    const ModelConfig& c = bench_.config();
    const size_t group_width = heads.size() / c.o_groups;
    Doubles latent;
    for (size_t group = 0; group < c.o_groups; ++group) {
      WeightMatrix part = weights_.wo_a;
      part.rows = c.o_lora_rank;
      part.values += group * c.o_lora_rank * group_width * sizeof(float);
      const Doubles one = product(part, std::span(heads).subspan(group * group_width, group_width));
      latent.insert(latent.end(), one.begin(), one.end());
    }
    return latent;
  }

  uint32_t ratio_;
  SublayerBench bench_;
  Rope rope_;
  AttentionWeights weights_;
};

class EveryKindOfLayer : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Attention, EveryKindOfLayer, ::testing::Values(0U, 4U, 5U), [](const auto& each) {
  return each.param == 0 ? "Window" : each.param == 4 ? "Csa" : "Hca";
});

// 34 tokens: the window of 6 wraps five times, and more blocks close than the indexer may choose.
constexpr size_t kTokens = 34;

TEST_P(EveryKindOfLayer, OutputIsWhatThePageSays) {
  OneLayer layer(GetParam());
  const auto x = layer.bench().floats(kTokens * layer.hidden());
  SequenceState state = layer.new_state(kTokens);
  std::vector<std::vector<uint32_t>> selected;
  const auto y = layer.run(x, kTokens, state, &selected);
  for (size_t t = 0; t < kTokens; ++t) {
    std::vector<uint32_t> blocks;
    if (GetParam() == 4) blocks = selected[t];
    if (GetParam() == 5) {
      for (uint32_t block = 0; block < (t + 1) / 5; ++block) blocks.push_back(block);
    }
    expect_near(std::span(y).subspan(t * layer.hidden(), layer.hidden()),
                layer.plain_output(x, t, state, blocks), 2e-5, "token " + std::to_string(t));
  }
}

TEST_P(EveryKindOfLayer, OutputHasTheSameBitsHoweverTheTokensAreCut) {
  OneLayer layer(GetParam());
  const auto x = layer.bench().floats(kTokens * layer.hidden());
  for (const RowFormat format : {RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16}) {
    SequenceState whole_state = layer.new_state(kTokens, format);
    const auto whole = layer.run(x, kTokens, whole_state);
    for (const size_t size : {size_t{1}, size_t{4}, size_t{6}, size_t{7}, size_t{20}}) {
      SequenceState state = layer.new_state(kTokens, format);
      const auto cut = layer.run(x, size, state);
      EXPECT_EQ(std::memcmp(cut.data(), whole.data(), whole.size() * sizeof(float)), 0)
          << row_format_name(format) << " in chunks of " << size;
    }
  }
}

// So is a row of the query's own chunk, which has not been in the window yet.
TEST_P(EveryKindOfLayer, RowsOfSixteenBitsAreSeenRounded) {
  OneLayer layer(GetParam());
  const auto x =
      layer.bench().floats(4 * layer.hidden());  // one chunk, that no block but ratio 4's first ends
  SequenceState exact_state = layer.new_state(4);
  const auto exact = layer.run(x, 4, exact_state);
  SequenceState state = layer.new_state(4, RowFormat::kBF16);
  const auto rounded = layer.run(x, 4, state);
  EXPECT_NE(rounded, exact);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(rounded[i], exact[i], 3e-2) << i;
}

TEST(Attention, NothingOlderThanTheWindowIsSeen) {
  OneLayer layer(0);
  auto x = layer.bench().floats(20 * layer.hidden());
  SequenceState state = layer.new_state(20);
  const auto before = layer.run(x, 3, state);
  for (size_t i = 0; i < 14 * layer.hidden(); ++i) x[i] += 1;  // all but the last six
  SequenceState other = layer.new_state(20);
  const auto after = layer.run(x, 3, other);
  const size_t last = 19 * layer.hidden();
  EXPECT_EQ(std::memcmp(&before[last], &after[last], layer.hidden() * sizeof(float)), 0);
  EXPECT_NE(std::memcmp(&before[last - layer.hidden()], &after[last - layer.hidden()],
                        layer.hidden() * sizeof(float)),
            0);
}

}  // namespace
}  // namespace sluice
