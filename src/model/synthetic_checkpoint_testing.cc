#include "model/synthetic_checkpoint_testing.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

namespace sluice::testing {
namespace {

// The same numbers for the same name and seed, whatever else the model holds.
class NamedRandom {
 public:
  NamedRandom(uint64_t seed, std::string_view name) : engine_(seed) {
    uint64_t hash = 0xcbf29ce484222325U ^ seed;
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3U;
    engine_.seed(hash);
  }

  uint64_t below(uint64_t limit) { return engine_() % limit; }
  float symmetric() { return static_cast<float>(engine_() >> 40) * 0x1p-23F - 1.0F; }  // [-1, 1)

 private:
  std::mt19937_64 engine_;
};

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// The exponent that brings a product over `cols` values of about one back to about one.
int scale_exponent(uint64_t cols) {
  return static_cast<int>(std::lround(std::log2(static_cast<double>(cols)) / 2));
}

// E8M0 codes near 2^exponent.
std::string random_scales(NamedRandom& random, uint64_t count, int exponent) {
  std::string bytes;
  for (uint64_t i = 0; i < count; ++i)
    bytes.push_back(static_cast<char>(127 + exponent - static_cast<int>(random.below(2))));
  return bytes;
}

uint64_t blocks(uint64_t size) {
  return (size + 127) / 128;
}

constexpr const char* kCsa = "compressed_sparse_attention";
constexpr const char* kHca = "heavily_compressed_attention";

uint32_t hca_rate(const std::vector<uint32_t>& ratios) {
  uint32_t rate = 128;
  for (const uint32_t ratio : ratios) {
    if (ratio != 0 && ratio != 4) rate = ratio;
  }
  return rate;
}

const nlohmann::json& yarn_numbers() {
  static const nlohmann::json numbers = {
      {"factor", 16}, {"original_max_position_embeddings", 512}, {"beta_fast", 32}, {"beta_slow", 1}};
  return numbers;
}

// What the releases and the transformers library spell differently.
nlohmann::json released_keys(const SyntheticOptions& options) {
  nlohmann::json scaling = yarn_numbers();
  scaling["type"] = "yarn";
  return {{"compress_ratios", options.ratios},
          {"num_hash_layers", options.hash_layers},
          {"n_routed_experts", options.experts},
          {"qk_rope_head_dim", options.rope_dim},
          {"rope_theta", 10000.0},
          {"compress_rope_theta", 160000.0},
          {"rope_scaling", scaling}};
}

nlohmann::json transformers_keys(const SyntheticOptions& options) {
  nlohmann::json layer_types, mlp_types;
  for (size_t layer = 0; layer < options.ratios.size(); ++layer) {
    const uint32_t ratio = options.ratios[layer];
    layer_types.push_back(ratio == 0 ? "sliding_attention" : ratio == 4 ? kCsa : kHca);
    mlp_types.push_back(layer < options.hash_layers ? "hash_moe" : "moe");
  }
  const double turning = static_cast<double>(options.rope_dim) / options.head_dim;
  nlohmann::json compress = yarn_numbers();
  compress.update({{"rope_type", "yarn"}, {"rope_theta", 160000.0}, {"partial_rotary_factor", turning}});
  const nlohmann::json main = {
      {"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", turning}};
  return {{"layer_types", layer_types},
          {"mlp_layer_types", mlp_types},
          {"num_local_experts", options.experts},
          {"partial_rotary_factor", turning},
          {"rope_parameters", {{"main", main}, {"compress", compress}}}};
}

}  // namespace

SyntheticCheckpoint::SyntheticCheckpoint(SyntheticOptions options) : options_(std::move(options)) {
  add_plain("embed.weight", DType::kBF16, {options_.vocab, options_.hidden}, 0, 1);
  add_plain("head.weight", DType::kBF16, {options_.vocab, options_.hidden}, 0, 0.5F);
  add_head("");
  for (size_t layer = 0; layer < options_.ratios.size(); ++layer) {
    add_layer(fmt::format("layers.{}.", layer), options_.ratios[layer], layer < options_.hash_layers);
  }
  for (uint32_t mtp = 0; mtp < options_.mtp_layers; ++mtp) {
    const std::string prefix = fmt::format("mtp.{}.", mtp);
    add_matrix(prefix + "e_proj", options_.dense_type, options_.hidden, options_.hidden);
    add_matrix(prefix + "h_proj", options_.dense_type, options_.hidden, options_.hidden);
    add_plain(prefix + "enorm.weight", DType::kBF16, {options_.hidden}, 1, 0.2F);
    add_plain(prefix + "hnorm.weight", DType::kBF16, {options_.hidden}, 1, 0.2F);
    add_head(prefix);
    add_layer(prefix, 0, /*hashed=*/false);
  }
}

void SyntheticCheckpoint::add_layer(const std::string& prefix, uint32_t ratio, bool hashed) {
  const uint64_t hc = options_.hc;
  add_hyper_connection(prefix + "hc_attn", (2 + hc) * hc, 3);
  add_hyper_connection(prefix + "hc_ffn", (2 + hc) * hc, 3);
  add_plain(prefix + "attn_norm.weight", DType::kBF16, {options_.hidden}, 1, 0.2F);
  add_plain(prefix + "ffn_norm.weight", DType::kF32, {options_.hidden}, 1, 0.2F);
  add_attention(prefix + "attn.", ratio);
  add_experts(prefix + "ffn.", hashed);
}

void SyntheticCheckpoint::add_attention(const std::string& prefix, uint32_t ratio) {
  const uint64_t heads_width = uint64_t{options_.heads} * options_.head_dim;
  const uint64_t o_width = uint64_t{options_.o_groups} * options_.o_lora;
  const DType dense = options_.dense_type;
  add_matrix(prefix + "wq_a", dense, options_.q_lora, options_.hidden);
  add_plain(prefix + "q_norm.weight", DType::kBF16, {options_.q_lora}, 1, 0.2F);
  add_matrix(prefix + "wq_b", dense, heads_width, options_.q_lora);
  add_matrix(prefix + "wkv", dense, options_.head_dim, options_.hidden);
  add_plain(prefix + "kv_norm.weight", DType::kBF16, {options_.head_dim}, 1, 0.2F);
  add_plain(prefix + "attn_sink", DType::kF32, {options_.heads}, 0, 1);
  add_matrix(prefix + "wo_a", dense, o_width, heads_width / options_.o_groups);
  add_matrix(prefix + "wo_b", dense, options_.hidden, o_width);
  if (ratio != 0) add_compressor(prefix + "compressor.", ratio, options_.head_dim);
  if (ratio != 4) return;
  add_matrix(prefix + "indexer.wq_b", dense, uint64_t{options_.index_heads} * options_.index_head_dim,
             options_.q_lora);
  add_matrix(prefix + "indexer.weights_proj", DType::kBF16, options_.index_heads, options_.hidden);
  add_compressor(prefix + "indexer.compressor.", ratio, options_.index_head_dim);
}

void SyntheticCheckpoint::add_compressor(const std::string& prefix, uint32_t ratio, uint32_t row_width) {
  const uint64_t input_width = ratio == 4 ? 2 * uint64_t{row_width} : row_width;
  add_matrix(prefix + "wkv", DType::kBF16, input_width, options_.hidden);
  add_matrix(prefix + "wgate", DType::kBF16, input_width, options_.hidden);
  add_plain(prefix + "ape", DType::kF32, {ratio, input_width}, 0, 1);
  add_plain(prefix + "norm.weight", DType::kBF16, {row_width}, 1, 0.2F);
}

void SyntheticCheckpoint::add_experts(const std::string& prefix, bool hashed) {
  add_matrix(prefix + "gate", DType::kBF16, options_.experts, options_.hidden);
  if (hashed) {
    add_table(prefix + "gate.tid2eid");
  } else {
    add_plain(prefix + "gate.bias", DType::kF32, {options_.experts}, 0, 0.3F);
  }
  const auto add_expert = [&](const std::string& name, DType type) {
    add_matrix(name + ".w1", type, options_.inner, options_.hidden);
    add_matrix(name + ".w3", type, options_.inner, options_.hidden);
    add_matrix(name + ".w2", type, options_.hidden, options_.inner);
  };
  add_expert(prefix + "shared_experts", options_.dense_type);
  for (uint32_t e = 0; e < options_.experts; ++e) {
    add_expert(fmt::format("{}experts.{}", prefix, e), options_.expert_type);
  }
}

void SyntheticCheckpoint::add_table(const std::string& name) {
  NamedRandom random(options_.seed, name);
  std::string bytes;
  for (uint32_t token = 0; token < options_.vocab; ++token) {
    const uint64_t first = random.below(options_.experts);
    for (uint32_t rank = 0; rank < options_.experts_per_token; ++rank) {
      const uint64_t expert = (first + rank) % options_.experts;
      if (options_.table_type == DType::kI64) {
        append(bytes, expert);
      } else {
        append(bytes, static_cast<uint32_t>(expert));
      }
    }
  }
  add(name, options_.table_type, {options_.vocab, options_.experts_per_token}, std::move(bytes));
}

void SyntheticCheckpoint::add_hyper_connection(const std::string& name, uint64_t rows, uint64_t scales) {
  const uint64_t cols = uint64_t{options_.hc} * options_.hidden;
  add_plain(name + "_fn", DType::kF32, {rows, cols}, 0, 1.7F / std::sqrt(static_cast<float>(cols)));
  add_plain(name + "_base", DType::kF32, {rows}, 0, 1);
  add_plain(name + "_scale", DType::kF32, {scales}, 1, 0.3F);
}

void SyntheticCheckpoint::add_head(const std::string& prefix) {
  add_hyper_connection(prefix + "hc_head", options_.hc, 1);
  add_plain(prefix + "norm.weight", DType::kBF16, {options_.hidden}, 1, 0.2F);
}

void SyntheticCheckpoint::add_matrix(const std::string& name, DType type, uint64_t rows, uint64_t cols) {
  if (type == DType::kBF16 || type == DType::kF32) {
    add_plain(name + ".weight", type, {rows, cols}, 0, 1.7F / std::sqrt(static_cast<float>(cols)));
    return;
  }
  NamedRandom random(options_.seed, name);
  const bool is_fp4 = type == DType::kI8;
  const uint64_t value_bytes = is_fp4 ? rows * cols / 2 : rows * cols;
  std::string values;
  for (uint64_t i = 0; i < value_bytes; ++i) {
    // Any pair of FP4 codes; FP8 codes of at most 2, with either sign.
    const uint64_t code = is_fp4 ? random.below(256) : random.below(0x41) | random.below(2) << 7;
    values.push_back(static_cast<char>(code));
  }
  const uint64_t scale_rows = is_fp4 ? rows : blocks(rows);
  const uint64_t scale_cols = is_fp4 ? cols / 32 : blocks(cols);
  const int exponent = (is_fp4 ? -1 : 1) - scale_exponent(cols);
  add(name + ".weight", type, {rows, is_fp4 ? cols / 2 : cols}, std::move(values));
  add(name + ".scale", DType::kF8E8M0, {scale_rows, scale_cols},
      random_scales(random, scale_rows * scale_cols, exponent));
}

void SyntheticCheckpoint::add_plain(const std::string& name, DType type, std::vector<uint64_t> shape,
                                    float mean, float spread) {
  NamedRandom random(options_.seed, name);
  std::string bytes;
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  for (uint64_t i = 0; i < count; ++i) {
    const float value = mean + spread * random.symmetric();
    if (type == DType::kF32) {
      append(bytes, value);
    } else {
      append(bytes, static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
    }
  }
  add(name, type, std::move(shape), std::move(bytes));
}

void SyntheticCheckpoint::add(std::string name, DType type, std::vector<uint64_t> shape, std::string bytes) {
  tensors_.push_back({std::move(name), type, std::move(shape), std::move(bytes)});
}

TestTensor& SyntheticCheckpoint::tensor(const std::string& name) {
  for (TestTensor& tensor : tensors_) {
    if (tensor.name == name) return tensor;
  }
  std::fprintf(stderr, "the synthetic checkpoint has no tensor %s\n", name.c_str());
  std::abort();
}

void SyntheticCheckpoint::drop(const std::string& name) {
  tensors_.erase(tensors_.begin() + (&tensor(name) - tensors_.data()));
}

std::string SyntheticCheckpoint::config_json() const {
  nlohmann::json config = {{"model_type", "deepseek_v4"},
                           {"vocab_size", options_.vocab},
                           {"hidden_size", options_.hidden},
                           {"num_hidden_layers", options_.ratios.size()},
                           {"max_position_embeddings", 4096},
                           {"num_attention_heads", options_.heads},
                           {"head_dim", options_.head_dim},
                           {"q_lora_rank", options_.q_lora},
                           {"o_groups", options_.o_groups},
                           {"o_lora_rank", options_.o_lora},
                           {"sliding_window", options_.window},
                           {"index_n_heads", options_.index_heads},
                           {"index_head_dim", options_.index_head_dim},
                           {"index_topk", options_.index_topk},
                           {"num_experts_per_tok", options_.experts_per_token},
                           {"moe_intermediate_size", options_.inner},
                           {"routed_scaling_factor", 1.5},
                           {"swiglu_limit", options_.swiglu_limit},
                           {"scoring_func", options_.scoring},
                           {"hc_mult", options_.hc},
                           {"num_nextn_predict_layers", options_.mtp_layers},
                           {"bos_token_id", 0},
                           {"eos_token_id", 1}};
  config["compress_rates"] = {{kCsa, 4}, {kHca, hca_rate(options_.ratios)}};
  config.update(options_.transformers_spelling ? transformers_keys(options_) : released_keys(options_));
  return config.dump(1);
}

void SyntheticCheckpoint::write(const std::filesystem::path& folder) const {
  const auto write_file = [&](const std::string& name, std::string_view bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  write_file("config.json", config_json());
  std::vector<std::vector<TestTensor>> shards(options_.shards);
  nlohmann::json weight_map;
  const auto shard_name = [&](size_t shard) {
    return options_.shards == 1 ? "model.safetensors"
                                : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, options_.shards);
  };
  for (size_t i = 0; i < tensors_.size(); ++i) {
    shards[i % options_.shards].push_back(tensors_[i]);
    weight_map[tensors_[i].name] = shard_name(i % options_.shards);
  }
  for (size_t shard = 0; shard < shards.size(); ++shard)
    write_file(shard_name(shard), safetensors_file(shards[shard]));
  if (options_.with_index) {
    write_file("model.safetensors.index.json", nlohmann::json{{"weight_map", weight_map}}.dump(1));
  }
}

}  // namespace sluice::testing
