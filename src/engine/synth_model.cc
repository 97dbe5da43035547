#include "engine/synth_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/fail.h"
#include "engine/synth_routing.h"
#include "engine/synth_tokenizer.h"

namespace sluice {
namespace {

constexpr uint32_t kTopics = 64;
constexpr float kTopicShare = 0.7F;  // of the embedding's amplitude
constexpr float kOwnShare = 0.714F;  // together of unit variance
constexpr float kTopicGain = 6;      // of the head for the topic, over sqrt(hidden)
constexpr float kNormSpread = 0.1F;
// What a layer adds to the residual streams, in proportion: little, as in a trained model, so that what the
// next router will choose can be guessed from what this one saw. At this gain 86 to 91 of 100 guesses that
// are read are of use, about as many as with tiny-v4's trained routers.
constexpr float kBranchGain = 0.25F;

// What the widths do not share; everything else is Flash's.
struct Width {
  const char* name;
  uint32_t hidden, heads, head_dim, rope_dim, q_lora, o_groups, o_lora, window;
  uint32_t index_heads, index_head_dim, index_topk;
  uint32_t experts, inner, layers;
  double routed_scale;
  bool starts_with_window_layers;  // two of ratio 0; otherwise of 128
};
constexpr Width kWidths[] = {
    {"flash", 4096, 64, 512, 64, 1024, 8, 1024, 128, 64, 128, 512, 256, 2048, 43, 1.5, true},
    {"pro", 7168, 128, 512, 64, 1536, 16, 1024, 128, 64, 128, 1024, 384, 3072, 61, 2.5, false},
    {"small", 1024, 16, 128, 32, 256, 4, 256, 128, 16, 64, 128, 64, 512, 43, 1.5, true},
    {"tiny", 256, 8, 64, 16, 128, 4, 64, 64, 4, 32, 32, 64, 64, 43, 1.5, true},
};
constexpr uint32_t kReleasedHashLayers = 3;
constexpr uint32_t kMostLayers = 61;

Status check_range(const char* name, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return fail(ErrorCode::kInvalidArgument, "{} {} was asked for; expected {} to {}", name, value, least,
              most);
}

Status check_options(const SynthOptions& options) {
  SLUICE_TRY(check_range("--layers", options.layers, 1, kMostLayers));
  SLUICE_TRY(check_range("--mtp-layers", options.mtp_layers, 0, 1));
  SLUICE_TRY(check_range("--hash-layers", options.hash_layers.value_or(0), 0, options.layers));
  SLUICE_TRY(check_range("--vocab", options.vocab, kLeastSynthVocabulary, 1 << 20));
  if (options.skew >= 0 && options.skew <= 4) return {};
  return fail(ErrorCode::kInvalidArgument, "--skew {} was asked for; expected 0 to 4", options.skew);
}

// The release's schedule from its start.
std::vector<uint32_t> compress_ratios(const Width& width, uint32_t layers) {
  std::vector<uint32_t> ratios;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const uint32_t alternating = layer % 2 == 0 ? 4 : 128;
    ratios.push_back(layer >= 2 ? alternating : width.starts_with_window_layers ? 0 : 128);
  }
  return ratios;
}

// Three of forty-three, but with few layers a share that leaves most of them scored.
uint32_t default_hash_layers(uint32_t layers) {
  return std::min(kReleasedHashLayers, std::max(1U, layers / 4));
}

// Collects the tensors of a model.
class TensorList {
 public:
  TensorList(const ModelConfig& config, const SynthOptions& options)
      : config_(config), options_(options), D_(config.hidden_size), hc_(config.hc_mult) {}

  std::vector<SynthTensor> all() && {
    add_topic_rows("embed.weight", kTopicShare, kOwnShare);
    for (uint32_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      add_layer(fmt::format("layers.{}.", layer), config_.compress_ratios[layer],
                layer < config_.num_hash_layers);
    }
    for (uint32_t mtp = 0; mtp < config_.num_nextn_predict_layers; ++mtp) {
      const std::string prefix = fmt::format("mtp.{}.", mtp);
      add_fp8(prefix + "e_proj", D_, D_);
      add_fp8(prefix + "h_proj", D_, D_);
      add_norm(prefix + "enorm.weight", D_);
      add_norm(prefix + "hnorm.weight", D_);
      add_layer(prefix, config_.mtp_compress_ratios[mtp], /*hashed=*/false);
      add_head(prefix);
    }
    add_head("");
    const float root = std::sqrt(static_cast<float>(D_));
    add_topic_rows("head.weight", kTopicGain / static_cast<float>(D_), 1 / root);
    return std::move(tensors_);
  }

 private:
  RandomWords random(const std::string& name) const { return {options_.seed, name}; }

  void add(std::string name, DType dtype, std::vector<uint64_t> shape, MakeWords make) {
    tensors_.push_back({{std::move(name), dtype, std::move(shape), {}}, std::move(make)});
  }

  void add_topic_rows(const std::string& name, float shared, float own) {
    add(name, DType::kBF16, {config_.vocab_size, D_},
        bf16_topic_rows(random("topics"), random(name), D_, kTopics, shared, own));
  }

  void add_norm(const std::string& name, uint64_t width) {
    add(name, DType::kBF16, {width}, bf16_values(random(name), 1, kNormSpread));
  }

  void add_f32(const std::string& name, std::vector<uint64_t> shape, float mean, float spread) {
    add(name, DType::kF32, std::move(shape), f32_values(random(name), mean, spread));
  }

  void add_bf16(const std::string& name, uint64_t rows, uint64_t cols) {
    const float spread = kUnitSpread / std::sqrt(static_cast<float>(cols));
    add(name + ".weight", DType::kBF16, {rows, cols}, bf16_values(random(name), 0, spread));
  }

  // `gain`: of the product's spread, about.
  void add_fp8(const std::string& name, uint64_t rows, uint64_t cols, float gain = 1) {
    const auto blocks = [](uint64_t size) { return (size + 127) / 128; };
    add(name + ".weight", DType::kF8E4M3, {rows, cols}, fp8_codes(random(name)));
    add(name + ".scale", DType::kF8E8M0, {blocks(rows), blocks(cols)},
        fp8_scales(random(name + ".scale"), cols, gain));
  }

  void add_mxfp4(const std::string& name, uint64_t rows, uint64_t cols, float gain = 1) {
    add(name + ".weight", DType::kI8, {rows, cols / 2}, mxfp4_codes(random(name)));
    add(name + ".scale", DType::kF8E8M0, {rows, cols / 32},
        mxfp4_scales(random(name + ".scale"), cols, gain));
  }

  void add_hyper_connection(const std::string& name, uint64_t rows, uint64_t scales) {
    const uint64_t cols = hc_ * D_;
    add_f32(name + "_fn", {rows, cols}, 0, 0.3F * kUnitSpread / std::sqrt(static_cast<float>(cols)));
    add_f32(name + "_base", {rows}, 0, 0.2F);
    add_f32(name + "_scale", {scales}, 1, 0.1F);
  }

  void add_head(const std::string& prefix) {
    add_hyper_connection(prefix + "hc_head", hc_, 1);
    add_norm(prefix + "norm.weight", D_);
  }

  void add_layer(const std::string& prefix, uint32_t ratio, bool hashed) {
    add_hyper_connection(prefix + "hc_attn", (2 + hc_) * hc_, 3);
    add_hyper_connection(prefix + "hc_ffn", (2 + hc_) * hc_, 3);
    add_norm(prefix + "attn_norm.weight", D_);
    add_norm(prefix + "ffn_norm.weight", D_);
    add_attention(prefix + "attn.", ratio);
    add_router(prefix + "ffn.gate", hashed);
    const uint64_t inner = config_.moe_intermediate_size;
    add_fp8(prefix + "ffn.shared_experts.w1", inner, D_);
    add_fp8(prefix + "ffn.shared_experts.w2", D_, inner, kBranchGain);
    add_fp8(prefix + "ffn.shared_experts.w3", inner, D_);
    for (uint32_t e = 0; e < config_.n_routed_experts; ++e) {
      const std::string expert = fmt::format("{}ffn.experts.{}.", prefix, e);
      add_mxfp4(expert + "w1", inner, D_);
      add_mxfp4(expert + "w2", D_, inner, kBranchGain);
      add_mxfp4(expert + "w3", inner, D_);
    }
  }

  void add_attention(const std::string& prefix, uint32_t ratio) {
    const uint64_t heads_width = uint64_t{config_.num_attention_heads} * config_.head_dim;
    const uint64_t o_width = uint64_t{config_.o_groups} * config_.o_lora_rank;
    add_fp8(prefix + "wq_a", config_.q_lora_rank, D_);
    add_norm(prefix + "q_norm.weight", config_.q_lora_rank);
    add_fp8(prefix + "wq_b", heads_width, config_.q_lora_rank);
    add_fp8(prefix + "wkv", config_.head_dim, D_);
    add_norm(prefix + "kv_norm.weight", config_.head_dim);
    add_f32(prefix + "attn_sink", {config_.num_attention_heads}, 0, 1);
    add_fp8(prefix + "wo_a", o_width, heads_width / config_.o_groups);
    add_fp8(prefix + "wo_b", D_, o_width, kBranchGain);
    if (ratio != 0) add_compressor(prefix + "compressor.", ratio, config_.head_dim);
    if (ratio != 4) return;
    add_fp8(prefix + "indexer.wq_b", uint64_t{config_.index_n_heads} * config_.index_head_dim,
            config_.q_lora_rank);
    add_bf16(prefix + "indexer.weights_proj", config_.index_n_heads, D_);
    add_compressor(prefix + "indexer.compressor.", ratio, config_.index_head_dim);
  }

  void add_compressor(const std::string& prefix, uint32_t ratio, uint32_t row_width) {
    const uint64_t input_width = ratio == 4 ? 2 * uint64_t{row_width} : row_width;
    add_bf16(prefix + "wkv", input_width, D_);
    add_bf16(prefix + "wgate", input_width, D_);
    add_f32(prefix + "ape", {ratio, input_width}, 0, 1);
    add_norm(prefix + "norm.weight", row_width);
  }

  void add_router(const std::string& name, bool hashed) {
    const uint32_t chosen = config_.num_experts_per_tok;
    add_bf16(name, config_.n_routed_experts, D_);
    const auto popularity =
        expert_popularity(config_.n_routed_experts, chosen, options_.skew, random(name + ".popularity"));
    if (hashed) {
      const auto table = expert_table_for_popularity(popularity, config_.vocab_size, chosen, random(name));
      add_ready(name + ".tid2eid", DType::kI64, {config_.vocab_size, chosen},
                std::as_bytes(std::span(table)));
    } else {
      const auto bias = bias_for_popularity(popularity);
      add_ready(name + ".bias", DType::kF32, {bias.size()}, std::as_bytes(std::span(bias)));
    }
  }

  void add_ready(std::string name, DType dtype, std::vector<uint64_t> shape,
                 std::span<const std::byte> bytes) {
    add(std::move(name), dtype, std::move(shape), ready_bytes({bytes.begin(), bytes.end()}));
  }

  const ModelConfig& config_;
  const SynthOptions& options_;
  uint64_t D_;
  uint64_t hc_;
  std::vector<SynthTensor> tensors_;
};

void set_widths(const Width& width, ModelConfig& config) {
  config.hidden_size = width.hidden;
  config.num_attention_heads = width.heads;
  config.head_dim = width.head_dim;
  config.qk_rope_head_dim = width.rope_dim;
  config.q_lora_rank = width.q_lora;
  config.o_groups = width.o_groups;
  config.o_lora_rank = width.o_lora;
  config.sliding_window = width.window;
  config.index_n_heads = width.index_heads;
  config.index_head_dim = width.index_head_dim;
  config.index_topk = width.index_topk;
  config.n_routed_experts = width.experts;
  config.num_experts_per_tok = 6;
  config.moe_intermediate_size = width.inner;
  config.routed_scaling_factor = width.routed_scale;
  config.swiglu_limit = 10;
  config.yarn = Yarn{16, 65536, 32, 1};
}

}  // namespace

std::vector<std::string> synth_widths() {
  std::vector<std::string> names;
  for (const Width& width : kWidths) names.emplace_back(width.name);
  return names;
}

Result<ModelConfig> synth_config(const SynthOptions& options) {
  SLUICE_TRY(check_options(options));
  const auto* const width =
      std::ranges::find_if(kWidths, [&](const Width& known) { return options.width == known.name; });
  if (width == std::end(kWidths)) {
    return fail(ErrorCode::kInvalidArgument, "--width {}: there is no such width", options.width);
  }
  ModelConfig config;
  set_widths(*width, config);
  config.vocab_size = options.vocab;
  config.num_hidden_layers = options.layers;
  config.compress_ratios = compress_ratios(*width, options.layers);
  config.num_hash_layers = options.hash_layers.value_or(default_hash_layers(options.layers));
  config.num_nextn_predict_layers = options.mtp_layers;
  config.mtp_compress_ratios.assign(options.mtp_layers, 0);
  return config;
}

std::vector<SynthTensor> synth_tensors(const ModelConfig& config, const SynthOptions& options) {
  return TensorList(config, options).all();
}

}  // namespace sluice
