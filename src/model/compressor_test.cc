#include "model/compressor.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/sublayer_testing.h"

namespace sluice {
namespace {

using namespace testing;

constexpr double kRopeBase = 160000;
constexpr uint32_t kWidth = 16;

CompressorWeights random_weights(SublayerBench& bench, const CompressorShape& shape) {
  CompressorWeights weights;
  weights.wkv = bench.matrix(shape.input_width(), bench.config().hidden_size);
  weights.wgate = bench.matrix(shape.input_width(), bench.config().hidden_size);
  weights.ape = bench.floats(size_t{shape.ratio} * shape.input_width());
  weights.norm = bench.floats(shape.row_width, 1, 0.3F);
  return weights;
}

// One token's input to one channel of a block's softmax.
struct GatedValue {
  double gate;
  double value;
};

// The page's compressor, a block at a time. Row b of x's complete blocks, normed and turned.
Doubles plain_row(const SublayerBench& bench, const CompressorWeights& weights, const CompressorShape& shape,
                  const std::vector<float>& x, size_t block) {
  const size_t hidden = bench.config().hidden_size;
  const auto input = [&](size_t position, size_t channel) -> GatedValue {
    const Doubles token = as_doubles(std::span(x).subspan(position * hidden, hidden));
    const double bias = weights.ape[position % shape.ratio * shape.input_width() + channel];
    return {product(weights.wgate, token)[channel] + bias, product(weights.wkv, token)[channel]};
  };
  Doubles row(shape.row_width);
  for (size_t channel = 0; channel < row.size(); ++channel) {
    std::vector<GatedValue> inputs;
    if (shape.overlapping && block > 0) {
      for (size_t i = 0; i < shape.ratio; ++i)
        inputs.push_back(input((block - 1) * shape.ratio + i, channel));
    }
    const size_t own = shape.overlapping ? shape.row_width + channel : channel;
    for (size_t i = 0; i < shape.ratio; ++i) inputs.push_back(input(block * shape.ratio + i, own));
    double total = 0;
    for (const GatedValue& one : inputs) total += std::exp(one.gate);
    for (const GatedValue& one : inputs) row[channel] += std::exp(one.gate) / total * one.value;
  }
  Doubles result = normed(row, weights.norm, bench.config().rms_norm_eps);
  turn(result, bench.config().qk_rope_head_dim, kRopeBase, static_cast<double>(block * shape.ratio));
  return result;
}

CompressorState compress_in_chunks(SublayerBench& bench, const CompressorWeights& weights,
                                   const CompressorShape& shape, const std::vector<float>& x,
                                   const std::vector<size_t>& chunk_sizes) {
  const Rope rope(bench.config().qk_rope_head_dim, kRopeBase, nullptr);
  const size_t hidden = bench.config().hidden_size;
  const auto ids = some_ids(x.size() / hidden);
  auto state = CompressorState::create(shape, ids.size());
  EXPECT_TRUE(state.has_value());
  CompressorState* const one = &*state;
  size_t begin = 0;
  for (size_t chunk = 0; begin < ids.size(); ++chunk) {
    const size_t count = std::min(chunk_sizes[chunk % chunk_sizes.size()], ids.size() - begin);
    compress(bench.context(), weights, rope, x.data() + begin * hidden,
             Batch({std::span(ids).subspan(begin, count), begin}), {&one, 1});
    begin += count;
  }
  return std::move(*state);
}

class EveryRatio : public ::testing::TestWithParam<CompressorShape> {};
INSTANTIATE_TEST_SUITE_P(Compressor, EveryRatio,
                         ::testing::Values(CompressorShape{4, kWidth, true},
                                           CompressorShape{128, kWidth, false},
                                           CompressorShape{6, kWidth, false}),
                         [](const auto& each) { return "Ratio" + std::to_string(each.param.ratio); });

TEST_P(EveryRatio, RowsAreWhatThePageSays) {
  const CompressorShape shape = GetParam();
  SublayerBench bench(small_config());
  const CompressorWeights weights = random_weights(bench, shape);
  const auto x =
      bench.floats(3 * size_t{shape.ratio} * 24);  // three blocks: the first, its follower, one more
  const CompressorState state = compress_in_chunks(bench, weights, shape, x, {3 * size_t{shape.ratio}});
  ASSERT_EQ(state.rows().size(), 3U);
  for (size_t block = 0; block < 3; ++block) {
    expect_near(decoded(state, block), plain_row(bench, weights, shape, x, block), 3e-5,
                "block " + std::to_string(block));
  }
}

TEST_P(EveryRatio, ABlockOpensNoRowBeforeItsLastToken) {
  const CompressorShape shape = GetParam();
  SublayerBench bench(small_config());
  const CompressorWeights weights = random_weights(bench, shape);
  const auto x = bench.floats((2 * size_t{shape.ratio} - 1) * 24);
  EXPECT_EQ(compress_in_chunks(bench, weights, shape, x, {64}).rows().size(), 1U);
}

TEST_P(EveryRatio, RowsHaveTheSameBitsHoweverTheTokensAreCut) {
  const CompressorShape shape = GetParam();
  SublayerBench bench(small_config());
  const CompressorWeights weights = random_weights(bench, shape);
  const auto x = bench.floats((3 * size_t{shape.ratio} + 1) * 24);
  const CompressorState whole = compress_in_chunks(bench, weights, shape, x, {x.size()});
  for (const std::vector<size_t>& sizes : {std::vector<size_t>{1}, {3}, {7, 1, 2}, {100, 31}}) {
    const CompressorState cut = compress_in_chunks(bench, weights, shape, x, sizes);
    ASSERT_EQ(cut.rows().size(), whole.rows().size());
    for (size_t block = 0; block < cut.rows().size(); ++block) {
      EXPECT_EQ(decoded(cut, block), decoded(whole, block))
          << "block " << block << ", first chunk " << sizes[0];
    }
  }
}

// Each value once, and not what the rows after it are mixed from.
TEST_P(EveryRatio, RowsOfSixteenBitsAreTheFloatOnesRounded) {
  SublayerBench bench(small_config());
  CompressorShape shape = GetParam();
  const CompressorWeights weights = random_weights(bench, shape);
  const auto x = bench.floats(3 * size_t{shape.ratio} * 24);
  const CompressorState whole = compress_in_chunks(bench, weights, shape, x, {x.size()});
  for (const RowFormat format : {RowFormat::kF16, RowFormat::kBF16}) {
    shape.row_format = format;
    const CompressorState rounded = compress_in_chunks(bench, weights, shape, x, {7, 1, 2});
    for (size_t block = 0; block < 3; ++block) {
      std::vector<std::byte> expected(kWidth * element_bytes(format));
      encode_row(format, decoded(whole, block), expected.data());
      EXPECT_EQ(std::memcmp(rounded.rows().row(block), expected.data(), expected.size()), 0)
          << row_format_name(format) << ", block " << block;
    }
  }
}

TEST_P(EveryRatio, AClearedStateBeginsAgainWithoutMemory) {
  const CompressorShape shape = GetParam();
  SublayerBench bench(small_config());
  const CompressorWeights weights = random_weights(bench, shape);
  const Rope rope(bench.config().qk_rope_head_dim, kRopeBase, nullptr);
  const auto x = bench.floats(2 * size_t{shape.ratio} * 24);
  const auto ids = some_ids(2 * shape.ratio);
  CompressorState state = compress_in_chunks(bench, weights, shape, x, {ids.size()});
  const std::vector<float> first = decoded(state, 0), second = decoded(state, 1);
  state.clear();
  CompressorState* const one = &state;
  compress(bench.context(), weights, rope, x.data(), Batch({ids, 0}), {&one, 1});
  EXPECT_EQ(decoded(state, 0), first);
  EXPECT_EQ(decoded(state, 1), second);
}

TEST(Compressor, HugeGatesStayFinite) {
  const CompressorShape shape{4, kWidth, true};
  SublayerBench bench(small_config());
  CompressorWeights weights = random_weights(bench, shape);
  for (float& bias : weights.ape) bias *= 1e4F;
  const auto x = bench.floats(8 * 24);
  const CompressorState state = compress_in_chunks(bench, weights, shape, x, {8});
  for (size_t block = 0; block < 2; ++block) {
    for (const float value : decoded(state, block)) EXPECT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace sluice
