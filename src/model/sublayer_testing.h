// For tests only: what a sublayer needs around it, and random weights that live as long as the test.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <deque>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kv/compressor_state.h"
#include "model/forward_context.h"
#include "model/weights.h"
#include "numerics/rows.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

// A small model's constants; a test changes what it is about.
inline ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 50;
  config.hidden_size = 24;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 4;
  config.head_dim = 16;
  config.qk_rope_head_dim = 8;
  config.q_lora_rank = 12;
  config.o_groups = 2;
  config.o_lora_rank = 10;
  config.sliding_window = 6;
  config.compress_ratios = {0};
  config.index_n_heads = 3;
  config.index_head_dim = 16;
  config.index_topk = 4;
  config.n_routed_experts = 9;
  config.num_experts_per_tok = 3;
  config.moe_intermediate_size = 16;
  config.routed_scaling_factor = 2.5;
  config.swiglu_limit = 10;
  return config;
}

// A configuration, threads and scratch memory: what ForwardContext refers to.
class SublayerBench {
 public:
  explicit SublayerBench(ModelConfig config, uint64_t seed = 1)
      : config_(std::move(config)), pool_(2), random_(static_cast<uint32_t>(seed)) {
    auto workspace = Workspace::create(uint64_t{16} << 20);
    if (!workspace) ADD_FAILURE() << workspace.error().message;
    workspace_ = std::move(*workspace);
  }

  const ModelConfig& config() const { return config_; }
  Workspace& workspace() { return workspace_; }
  ForwardContext context() { return {config_, pool_, workspace_, nullptr}; }

  std::vector<float> floats(size_t count, float mean = 0, float spread = 1) {
    std::vector<float> values(count);
    std::uniform_real_distribution<float> uniform(mean - spread, mean + spread);
    for (float& value : values) value = uniform(random_);
    return values;
  }

  // [rows, cols], scaled so that products keep their magnitude.
  WeightMatrix matrix(uint32_t rows, uint32_t cols) {
    return own(rows, cols, floats(size_t{rows} * cols, 0, 1.7F / std::sqrt(static_cast<float>(cols))));
  }
  WeightMatrix own(uint32_t rows, uint32_t cols, std::vector<float> values) {
    owned_.push_back(std::move(values));
    return {WeightFormat::kF32, rows, cols, reinterpret_cast<const std::byte*>(owned_.back().data()),
            nullptr};
  }

 private:
  ModelConfig config_;
  ThreadPool pool_;
  Workspace workspace_;
  std::mt19937 random_;
  std::deque<std::vector<float>> owned_;
};

// The plain reading of the page, in double precision. Vectors are small; nothing is clever.
using Doubles = std::vector<double>;

inline Doubles product(const WeightMatrix& w, std::span<const double> x) {
  const auto* values = reinterpret_cast<const float*>(w.values);
  Doubles y(w.rows);
  for (size_t r = 0; r < w.rows; ++r) {
    for (size_t c = 0; c < w.cols; ++c) y[r] += double{values[r * w.cols + c]} * x[c];
  }
  return y;
}

// `weight` empty: all ones.
inline Doubles normed(std::span<const double> x, const std::vector<float>& weight, double eps) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  Doubles y(x.begin(), x.end());
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] *=
        (weight.empty() ? 1.0 : double{weight[i]}) / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  }
  return y;
}

// Turns the last `width` channels, in interleaved pairs, by position * theta_i; no YaRN.
inline void turn(std::span<double> x, size_t width, double base, double position) {
  for (size_t i = 0; i < width / 2; ++i) {
    const double angle =
        position * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
    double& even = x[x.size() - width + 2 * i];
    double& odd = x[x.size() - width + 2 * i + 1];
    const double turned = even * std::cos(angle) - odd * std::sin(angle);
    odd = even * std::sin(angle) + odd * std::cos(angle);
    even = turned;
  }
}

inline double inner_product(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

inline Doubles as_doubles(std::span<const float> x) {
  return Doubles(x.begin(), x.end());
}

// What a sequence keeps, read back.
inline std::vector<float> decoded(RowFormat format, const std::byte* row, size_t width) {
  std::vector<float> values(width);
  decode_row(format, row, values);
  return values;
}
inline std::vector<float> decoded(const CompressorState& state, size_t block) {
  return decoded(state.rows().format(), state.rows().row(block), state.shape().row_width);
}

// Every value within `tolerance` of the expected one; says where not.
inline void expect_near(std::span<const float> found, std::span<const double> expected, double tolerance,
                        const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], tolerance) << what << ", element " << i;
}

// 0, 1, 2, ...: ids for sublayers that do not look at them.
inline std::vector<int32_t> some_ids(size_t count) {
  std::vector<int32_t> ids(count);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

}  // namespace sluice::testing
