#include "checkpoint/config_rope.h"

#include <cmath>

namespace sluice {
namespace {

constexpr double kThetaLimit = 1e12;
constexpr double kFactorLimit = 1e6;
constexpr uint32_t kPositionsLimit = 1u << 30;

// What the several places that speak of rope have said so far.
struct RopeFacts {
  AgreedValue<uint32_t> rotated_channels;
  AgreedValue<double> theta;
  AgreedValue<double> compress_theta;
};

// `rope_type`, or `type` as older files call it.
Result<std::optional<std::string>> read_rope_type(const JsonFields& rope) {
  AgreedValue<std::string> type;
  for (const char* key : {"rope_type", "type"}) {
    SLUICE_ASSIGN(const auto name, rope.text(key));
    SLUICE_TRY(type.offer(rope, key, name));
  }
  if (type.value() && *type.value() != "yarn" && *type.value() != "default") {
    return rope.fail_at(ErrorCode::kUnsupported, "rope_type",
                        "is \"{}\"; \"yarn\" or \"default\" was expected", *type.value());
  }
  return type.value();
}

// Variations of YaRN that exist elsewhere and that DeepSeek-V4 does not use.
Status refuse_other_yarns(const JsonFields& rope) {
  SLUICE_ASSIGN(const auto attention_factor, rope.real("attention_factor", 0, kFactorLimit));
  if (attention_factor && *attention_factor != 1) {
    return rope.fail_at(ErrorCode::kUnsupported, "attention_factor", "is {}; only 1 is supported",
                        *attention_factor);
  }
  SLUICE_ASSIGN(const auto truncate, rope.boolean("truncate"));
  if (truncate && !*truncate) {
    return rope.fail_at(ErrorCode::kUnsupported, "truncate", "is false; only true is supported");
  }
  return {};
}

// The scaling that one object describes: none when its type is "default" or it does not speak of scaling.
Result<std::optional<Yarn>> read_yarn(const JsonFields& rope) {
  SLUICE_ASSIGN(const auto type, read_rope_type(rope));
  SLUICE_ASSIGN(const auto factor, rope.real("factor", 0, kFactorLimit));
  if (!type && factor) return rope.missing("rope_type");
  if (!type || *type == "default") return std::optional<Yarn>();
  Yarn yarn;
  if (!factor) return rope.missing("factor");
  if (*factor < 1)
    return rope.fail_at(ErrorCode::kCorrupt, "factor", "is {}; 1 or more was expected", *factor);
  yarn.factor = *factor;
  SLUICE_ASSIGN(yarn.original_max_position_embeddings,
                rope.required_integer("original_max_position_embeddings", 1, kPositionsLimit));
  SLUICE_ASSIGN(const auto beta_fast, rope.real("beta_fast", 0, kFactorLimit));
  SLUICE_ASSIGN(const auto beta_slow, rope.real("beta_slow", 0, kFactorLimit));
  yarn.beta_fast = beta_fast.value_or(yarn.beta_fast);
  yarn.beta_slow = beta_slow.value_or(yarn.beta_slow);
  if (yarn.beta_fast < yarn.beta_slow) {
    return rope.fail_at(ErrorCode::kCorrupt, "beta_fast", "is {}, less than beta_slow, {}", yarn.beta_fast,
                        yarn.beta_slow);
  }
  SLUICE_TRY(refuse_other_yarns(rope));
  return std::optional(yarn);
}

// The transformers library states the rotated channels as a share of the head.
Status offer_rotary_factor(const JsonFields& fields, const ModelConfig& config, RopeFacts& facts) {
  const std::string key = "partial_rotary_factor";
  SLUICE_ASSIGN(const auto factor, fields.real(key, 0, 1));
  if (!factor) return {};
  const double channels = *factor * config.head_dim;
  if (std::abs(channels - std::round(channels)) > 1e-3) {
    return fields.fail_at(ErrorCode::kCorrupt, key,
                          "is {}: {} channels of head_dim {}; a whole number was expected", *factor, channels,
                          config.head_dim);
  }
  return facts.rotated_channels.offer(fields, key + " of head_dim",
                                      static_cast<uint32_t>(std::lround(channels)));
}

// One of the objects in which the transformers library keeps rope; `theta` is the base that it states.
Status offer_rope_object(const JsonFields& rope, const ModelConfig& config, RopeFacts& facts,
                         AgreedValue<double>& theta) {
  SLUICE_TRY(offer_rotary_factor(rope, config, facts));
  SLUICE_ASSIGN(const auto stated, rope.real("rope_theta", 1, kThetaLimit));
  return theta.offer(rope, "rope_theta", stated);
}

// rope_parameters: {"main": {...}, "compress": {...}}, or one object that means the compressed layers'
// scaling.
Result<std::optional<Yarn>> read_rope_parameters(const JsonFields& parameters, const ModelConfig& config,
                                                 RopeFacts& facts) {
  SLUICE_ASSIGN(const auto main, parameters.object("main"));
  SLUICE_ASSIGN(const auto compress, parameters.object("compress"));
  if (!main && !compress) {
    SLUICE_TRY(offer_rope_object(parameters, config, facts, facts.theta));
    return read_yarn(parameters);
  }
  if (!main) return parameters.missing("main");
  if (!compress) return parameters.missing("compress");
  SLUICE_TRY(offer_rope_object(*main, config, facts, facts.theta));
  SLUICE_TRY(offer_rope_object(*compress, config, facts, facts.compress_theta));
  SLUICE_ASSIGN(const auto main_yarn, read_yarn(*main));
  if (main_yarn) {
    return main->fail_at(ErrorCode::kUnsupported, "rope_type",
                         "is \"yarn\"; layers without compression turn unscaled: \"default\" was expected");
  }
  return read_yarn(*compress);
}

Status read_scaling(const JsonFields& fields, ModelConfig& config, RopeFacts& facts) {
  SLUICE_ASSIGN(const auto scaling, fields.object("rope_scaling"));
  if (scaling) {
    SLUICE_ASSIGN(config.yarn, read_yarn(*scaling));
  }
  SLUICE_ASSIGN(const auto parameters, fields.object("rope_parameters"));
  if (!parameters) return {};
  SLUICE_ASSIGN(const auto yarn, read_rope_parameters(*parameters, config, facts));
  if (scaling && yarn != config.yarn) {
    return fields.fail_at(ErrorCode::kCorrupt, "rope_parameters",
                          "scales otherwise than rope_scaling: they mean the same and must agree");
  }
  config.yarn = yarn;
  return {};
}

}  // namespace

Status read_rope(const JsonFields& fields, ModelConfig& config) {
  RopeFacts facts;
  SLUICE_ASSIGN(const auto channels, fields.integer("qk_rope_head_dim", 1, config.head_dim));
  SLUICE_TRY(facts.rotated_channels.offer(fields, "qk_rope_head_dim", channels));
  SLUICE_TRY(offer_rotary_factor(fields, config, facts));
  SLUICE_ASSIGN(const auto theta, fields.real("rope_theta", 1, kThetaLimit));
  SLUICE_TRY(facts.theta.offer(fields, "rope_theta", theta));
  SLUICE_ASSIGN(const auto compress_theta, fields.real("compress_rope_theta", 1, kThetaLimit));
  SLUICE_TRY(facts.compress_theta.offer(fields, "compress_rope_theta", compress_theta));
  SLUICE_TRY(read_scaling(fields, config, facts));

  if (!facts.rotated_channels.value()) return fields.missing("qk_rope_head_dim");
  config.qk_rope_head_dim = *facts.rotated_channels.value();
  config.rope_theta = facts.theta.value().value_or(config.rope_theta);
  config.compress_rope_theta = facts.compress_theta.value().value_or(config.compress_rope_theta);
  if (config.qk_rope_head_dim == 0 || config.qk_rope_head_dim % 2 != 0) {
    return fields.fail_at(ErrorCode::kCorrupt, "qk_rope_head_dim", "is {}; an even number was expected",
                          config.qk_rope_head_dim);
  }
  return {};
}

}  // namespace sluice
