#include "checkpoint/config.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/config_rope.h"
#include "checkpoint/config_schedule.h"
#include "checkpoint/json_fields.h"
#include "checkpoint/strict_json.h"

namespace sluice {
namespace {

// A whole-number key and the range outside which it is a mistake. The upper ends are ten times and more what
// any model has, and small enough that products of three fit in 64 bits.
struct IntegerRule {
  const char* key;
  uint32_t ModelConfig::*field;
  uint32_t least;
  uint32_t most;
};

struct RealRule {
  const char* key;
  double ModelConfig::*field;
  double above;
  double most;
};

constexpr uint32_t kIdLimit = 1u << 24;  // token ids, far above any vocabulary

constexpr IntegerRule kRequiredIntegers[] = {
    {"vocab_size", &ModelConfig::vocab_size, 1, kIdLimit},
    {"hidden_size", &ModelConfig::hidden_size, 1, 1u << 20},
    {"num_hidden_layers", &ModelConfig::num_hidden_layers, 1, 1024},
    {"num_attention_heads", &ModelConfig::num_attention_heads, 1, 4096},
    {"head_dim", &ModelConfig::head_dim, 2, 16384},
    {"q_lora_rank", &ModelConfig::q_lora_rank, 1, 65536},
    {"o_groups", &ModelConfig::o_groups, 1, 4096},
    {"o_lora_rank", &ModelConfig::o_lora_rank, 1, 65536},
    {"sliding_window", &ModelConfig::sliding_window, 1, 1u << 20},
    {"index_n_heads", &ModelConfig::index_n_heads, 1, 4096},
    {"index_head_dim", &ModelConfig::index_head_dim, 2, 16384},
    {"index_topk", &ModelConfig::index_topk, 1, 1u << 20},
    {"num_experts_per_tok", &ModelConfig::num_experts_per_tok, 1, 256},
    {"moe_intermediate_size", &ModelConfig::moe_intermediate_size, 1, 1u << 20},
};

constexpr IntegerRule kOptionalIntegers[] = {
    {"max_position_embeddings", &ModelConfig::max_position_embeddings, 1, 1u << 30},
    {"n_shared_experts", &ModelConfig::n_shared_experts, 0, 1024},
    {"hc_mult", &ModelConfig::hc_mult, 1, 16},
    {"hc_sinkhorn_iters", &ModelConfig::hc_sinkhorn_iters, 1, 1000},
    {"num_nextn_predict_layers", &ModelConfig::num_nextn_predict_layers, 0, 16},
    {"bos_token_id", &ModelConfig::bos_token_id, 0, kIdLimit},
};

// Required: these differ between models, or change results when they are guessed wrongly.
constexpr RealRule kRequiredReals[] = {
    {"routed_scaling_factor", &ModelConfig::routed_scaling_factor, 0, 1e6},
    {"swiglu_limit", &ModelConfig::swiglu_limit, 0, 1e6},
};

constexpr RealRule kOptionalReals[] = {
    {"rms_norm_eps", &ModelConfig::rms_norm_eps, 0, 0.1},
    {"hc_eps", &ModelConfig::hc_eps, 0, 0.1},
};

// All routed experts' elements: leaves room for three matrices of four-byte elements in 64 bits.
constexpr uint64_t kExpertElementsLimit = 1ull << 56;

constexpr std::array kScoringFuncs = {ScoringFunc::kSqrtSoftplus, ScoringFunc::kSigmoid,
                                      ScoringFunc::kSoftmax};

Status read_numbers(const JsonFields& fields, ModelConfig& config) {
  for (const IntegerRule& rule : kRequiredIntegers) {
    SLUICE_ASSIGN(config.*rule.field, fields.required_integer(rule.key, rule.least, rule.most));
  }
  for (const IntegerRule& rule : kOptionalIntegers) {
    SLUICE_ASSIGN(const auto value, fields.integer(rule.key, rule.least, rule.most));
    config.*rule.field = value.value_or(config.*rule.field);
  }
  for (const RealRule& rule : kRequiredReals) {
    SLUICE_ASSIGN(config.*rule.field, fields.required_real(rule.key, rule.above, rule.most));
  }
  for (const RealRule& rule : kOptionalReals) {
    SLUICE_ASSIGN(const auto value, fields.real(rule.key, rule.above, rule.most));
    config.*rule.field = value.value_or(config.*rule.field);
  }
  return {};
}

Status read_expert_count(const JsonFields& fields, ModelConfig& config) {
  AgreedValue<uint32_t> experts;
  for (const char* key : {"n_routed_experts", "num_local_experts"}) {
    SLUICE_ASSIGN(const auto count, fields.integer(key, 1, 65536));
    SLUICE_TRY(experts.offer(fields, key, count));
  }
  if (!experts.value()) return fields.missing("n_routed_experts");
  config.n_routed_experts = *experts.value();
  return {};
}

Status read_scoring(const JsonFields& fields, ModelConfig& config) {
  SLUICE_ASSIGN(const auto name, fields.text("scoring_func"));
  if (!name) return {};
  for (const ScoringFunc scoring : kScoringFuncs) {
    if (*name != scoring_func_name(scoring)) continue;
    config.scoring_func = scoring;
    return {};
  }
  return fields.fail_at(ErrorCode::kUnsupported, "scoring_func",
                        "is \"{}\"; sqrtsoftplus, sigmoid or softmax was expected", *name);
}

Status read_eos(const JsonFields& fields, ModelConfig& config) {
  const std::string key = "eos_token_id";
  if (fields.is_array(key)) {
    SLUICE_ASSIGN(const auto ids, fields.integers(key, 0, kIdLimit));
    if (ids) config.eos_token_ids = *ids;
  } else {
    SLUICE_ASSIGN(const auto id, fields.integer(key, 0, kIdLimit));
    if (id) config.eos_token_ids = {*id};
  }
  if (config.eos_token_ids.empty()) {
    return fields.fail_at(ErrorCode::kCorrupt, key, "is an empty array; at least one id was expected");
  }
  return {};
}

// Keys that other models of the same layout vary, and the one value of each that DeepSeek-V4 has.
Status refuse_other_texts(const JsonFields& fields) {
  constexpr std::pair<const char*, const char*> kTexts[] = {
      {"model_type", "deepseek_v4"}, {"hidden_act", "silu"}, {"topk_method", "noaux_tc"}};
  for (const auto& [key, supported] : kTexts) {
    SLUICE_ASSIGN(const auto value, fields.text(key));
    if (!value || *value == supported) continue;
    return fields.fail_at(ErrorCode::kUnsupported, key, "is \"{}\"; only \"{}\" is supported", *value,
                          supported);
  }
  return {};
}

Status refuse_other_switches(const JsonFields& fields) {
  constexpr std::pair<const char*, bool> kSwitches[] = {{"norm_topk_prob", true},
                                                        {"tie_word_embeddings", false},
                                                        {"attention_bias", false},
                                                        {"mlp_bias", false}};
  for (const auto& [key, supported] : kSwitches) {
    SLUICE_ASSIGN(const auto value, fields.boolean(key));
    if (!value || *value == supported) continue;
    return fields.fail_at(ErrorCode::kUnsupported, key, "is {}; only {} is supported", *value, supported);
  }
  return {};
}

Status refuse_other_heads(const JsonFields& fields, const ModelConfig& config) {
  SLUICE_ASSIGN(const auto kv_heads, fields.integer("num_key_value_heads", 1, 4096));
  if (kv_heads && *kv_heads != 1) {
    return fields.fail_at(ErrorCode::kUnsupported, "num_key_value_heads", "is {}; only 1 is supported",
                          *kv_heads);
  }
  if (config.n_shared_experts != 1) {
    return fields.fail_at(ErrorCode::kUnsupported, "n_shared_experts", "is {}; only 1 is supported",
                          config.n_shared_experts);
  }
  return {};
}

// The stored types are seen at each tensor; what the tensors cannot say is how large an FP8 block is.
Status refuse_other_quantization(const JsonFields& fields) {
  SLUICE_ASSIGN(const auto quantization, fields.object("quantization_config"));
  if (!quantization) return {};
  SLUICE_ASSIGN(const auto method, quantization->text("quant_method"));
  if (method && *method != "fp8") {
    return quantization->fail_at(ErrorCode::kUnsupported, "quant_method",
                                 "is \"{}\"; only \"fp8\" is supported", *method);
  }
  SLUICE_ASSIGN(const auto block, quantization->integers("weight_block_size", 1, 1u << 20));
  if (block && *block != std::vector<uint32_t>{128, 128}) {
    return quantization->fail_at(ErrorCode::kUnsupported, "weight_block_size",
                                 "is [{}]; only [128, 128] is supported", fmt::join(*block, ", "));
  }
  return {};
}

Status check_attention(const JsonFields& fields, const ModelConfig& config) {
  if (config.num_attention_heads % config.o_groups != 0) {
    return fields.fail_at(ErrorCode::kCorrupt, "o_groups",
                          "is {}, which does not divide num_attention_heads, {}", config.o_groups,
                          config.num_attention_heads);
  }
  if (config.qk_rope_head_dim > config.index_head_dim) {
    return fields.fail_at(ErrorCode::kCorrupt, "index_head_dim", "is {}, less than qk_rope_head_dim, {}",
                          config.index_head_dim, config.qk_rope_head_dim);
  }
  return {};
}

Status check_experts(const JsonFields& fields, const ModelConfig& config) {
  if (config.num_experts_per_tok > config.n_routed_experts) {
    return fields.fail_at(ErrorCode::kCorrupt, "num_experts_per_tok", "is {}, more than n_routed_experts, {}",
                          config.num_experts_per_tok, config.n_routed_experts);
  }
  const uint64_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  const uint64_t matrix_elements = static_cast<uint64_t>(config.hidden_size) * config.moe_intermediate_size;
  if (matrix_elements > kExpertElementsLimit / (layers * config.n_routed_experts)) {
    return fields.fail_at(ErrorCode::kCorrupt, "n_routed_experts",
                          "is {}: in {} layers, each of {} by {}, more elements than any disk holds",
                          config.n_routed_experts, layers, config.moe_intermediate_size, config.hidden_size);
  }
  return {};
}

Status check_token_ids(const JsonFields& fields, const ModelConfig& config) {
  if (config.bos_token_id >= config.vocab_size) {
    return fields.fail_at(ErrorCode::kCorrupt, "bos_token_id", "is {}; vocab_size is {}", config.bos_token_id,
                          config.vocab_size);
  }
  for (const uint32_t id : config.eos_token_ids) {
    if (id < config.vocab_size) continue;
    return fields.fail_at(ErrorCode::kCorrupt, "eos_token_id", "is {}; vocab_size is {}", id,
                          config.vocab_size);
  }
  return {};
}

}  // namespace

const char* scoring_func_name(ScoringFunc scoring) {
  switch (scoring) {
    case ScoringFunc::kSqrtSoftplus:
      return "sqrtsoftplus";
    case ScoringFunc::kSigmoid:
      return "sigmoid";
    case ScoringFunc::kSoftmax:
      return "softmax";
  }
  return "";
}

Result<ModelConfig> parse_config(std::string_view json, const std::string& file_name) {
  SLUICE_ASSIGN(const nlohmann::json object, parse_strict_json(json, file_name));
  const JsonFields fields(object, file_name);
  ModelConfig config;
  SLUICE_TRY(
      refuse_other_texts(fields));  // first, so that another model is named before its missing keys are
  SLUICE_TRY(read_numbers(fields, config));
  SLUICE_TRY(read_expert_count(fields, config));
  SLUICE_TRY(read_scoring(fields, config));
  SLUICE_TRY(read_eos(fields, config));
  SLUICE_TRY(read_rope(fields, config));
  SLUICE_TRY(read_schedule(fields, config));
  SLUICE_TRY(refuse_other_switches(fields));
  SLUICE_TRY(refuse_other_heads(fields, config));
  SLUICE_TRY(refuse_other_quantization(fields));
  SLUICE_TRY(check_attention(fields, config));
  SLUICE_TRY(check_experts(fields, config));
  SLUICE_TRY(check_token_ids(fields, config));
  return config;
}

}  // namespace sluice
