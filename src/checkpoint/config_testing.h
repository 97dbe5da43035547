// For tests only: the configuration of models/tiny-v4 in both spellings, to be broken one key at a time.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/config.h"
#include "checkpoint/safetensors_testing.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline nlohmann::json tiny_config() {
  return nlohmann::json::parse(read_whole(SLUICE_SOURCE_DIR "/models/tiny-v4/config.json"));
}

// The same model, as the transformers library writes it.
inline nlohmann::json tiny_config_of_transformers() {
  nlohmann::json config = tiny_config();
  for (const char* key :
       {"compress_ratios", "num_hash_layers", "qk_rope_head_dim", "rope_scaling", "rope_theta",
        "compress_rope_theta", "n_routed_experts", "topk_method", "quantization_config"}) {
    config.erase(key);
  }
  const std::string window = "sliding_attention";
  const std::string csa = "compressed_sparse_attention";
  const std::string hca = "heavily_compressed_attention";
  config["layer_types"] = {window, window, csa, hca, csa, hca, csa, hca};
  config["mlp_layer_types"] = {"hash_moe", "hash_moe", "hash_moe", "moe", "moe", "moe", "moe", "moe"};
  config["compress_rates"] = {{csa, 4}, {hca, 128}};
  config["num_local_experts"] = 64;
  config["partial_rotary_factor"] = 0.25;
  config["pad_token_id"] = nullptr;
  config["rope_parameters"] = {
      {"main", {{"rope_type", "default"}, {"rope_theta", 10000.0}, {"partial_rotary_factor", 0.25}}},
      {"compress",
       {{"rope_type", "yarn"},
        {"rope_theta", 160000.0},
        {"partial_rotary_factor", 0.25},
        {"factor", 16.0},
        {"original_max_position_embeddings", 65536},
        {"beta_fast", 32.0},
        {"beta_slow", 1.0},
        {"attention_factor", 1.0}}}};
  return config;
}

inline Result<ModelConfig> parse(const nlohmann::json& config) {
  return parse_config(config.dump(), "config.json");
}

// The message with which a config is refused; empty when it is not.
inline std::string refusal(const nlohmann::json& config) {
  const auto parsed = parse(config);
  return parsed ? "" : parsed.error().message;
}

inline ErrorCode refusal_code(const nlohmann::json& config) {
  const auto parsed = parse(config);
  return parsed ? ErrorCode::kInternal : parsed.error().code;
}

}  // namespace sluice::testing
