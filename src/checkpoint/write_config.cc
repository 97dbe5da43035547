#include "checkpoint/write_config.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::ordered_json;

ordered_json attention_keys(const ModelConfig& config) {
  return {{"num_attention_heads", config.num_attention_heads},
          {"num_key_value_heads", 1},
          {"head_dim", config.head_dim},
          {"qk_rope_head_dim", config.qk_rope_head_dim},
          {"q_lora_rank", config.q_lora_rank},
          {"o_groups", config.o_groups},
          {"o_lora_rank", config.o_lora_rank},
          {"sliding_window", config.sliding_window},
          {"index_n_heads", config.index_n_heads},
          {"index_head_dim", config.index_head_dim},
          {"index_topk", config.index_topk},
          {"rope_theta", config.rope_theta},
          {"compress_rope_theta", config.compress_rope_theta}};
}

ordered_json expert_keys(const ModelConfig& config) {
  return {{"n_routed_experts", config.n_routed_experts},
          {"num_experts_per_tok", config.num_experts_per_tok},
          {"n_shared_experts", config.n_shared_experts},
          {"moe_intermediate_size", config.moe_intermediate_size},
          {"num_hash_layers", config.num_hash_layers},
          {"scoring_func", scoring_func_name(config.scoring_func)},
          {"topk_method", "noaux_tc"},
          {"norm_topk_prob", config.norm_topk_prob},
          {"routed_scaling_factor", config.routed_scaling_factor},
          {"hidden_act", "silu"},
          {"swiglu_limit", config.swiglu_limit}};
}

}  // namespace

std::string config_json(const ModelConfig& config, const std::string& expert_dtype) {
  ordered_json json{{"architectures", {"DeepseekV4ForCausalLM"}},
                    {"model_type", "deepseek_v4"},
                    {"vocab_size", config.vocab_size},
                    {"hidden_size", config.hidden_size},
                    {"num_hidden_layers", config.num_hidden_layers},
                    {"max_position_embeddings", config.max_position_embeddings},
                    {"rms_norm_eps", config.rms_norm_eps}};
  json.update(attention_keys(config));
  std::vector<uint32_t> ratios = config.compress_ratios;
  ratios.insert(ratios.end(), config.mtp_compress_ratios.begin(), config.mtp_compress_ratios.end());
  json["compress_ratios"] = ratios;
  if (config.yarn) {
    json["rope_scaling"] = {
        {"type", "yarn"},
        {"factor", config.yarn->factor},
        {"original_max_position_embeddings", config.yarn->original_max_position_embeddings},
        {"beta_fast", config.yarn->beta_fast},
        {"beta_slow", config.yarn->beta_slow}};
  }
  json.update(expert_keys(config));
  json["hc_mult"] = config.hc_mult;
  json["hc_sinkhorn_iters"] = config.hc_sinkhorn_iters;
  json["hc_eps"] = config.hc_eps;
  json["num_nextn_predict_layers"] = config.num_nextn_predict_layers;
  json["bos_token_id"] = config.bos_token_id;
  if (config.eos_token_ids.size() == 1) {
    json["eos_token_id"] = config.eos_token_ids.front();
  } else {
    json["eos_token_id"] = config.eos_token_ids;
  }
  json["tie_word_embeddings"] = false;
  json["expert_dtype"] = expert_dtype;
  json["torch_dtype"] = "bfloat16";
  json["quantization_config"] = {{"quant_method", "fp8"},
                                 {"fmt", "e4m3"},
                                 {"scale_fmt", "ue8m0"},
                                 {"activation_scheme", "dynamic"},
                                 {"weight_block_size", {128, 128}}};
  return json.dump(1) + "\n";
}

}  // namespace sluice
