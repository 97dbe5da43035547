#include "checkpoint/config_schedule.h"

#include <algorithm>

namespace sluice {
namespace {

using Ratios = std::vector<uint32_t>;

constexpr uint32_t kCsaRatio = 4;
constexpr uint32_t kHcaRatio = 128;
constexpr uint32_t kRatioLimit = 65536;

constexpr const char* kWindowType = "sliding_attention";
constexpr const char* kCsaType = "compressed_sparse_attention";
constexpr const char* kHcaType = "heavily_compressed_attention";

// The rate of one layer type: in compress_rates, or under the key that older transformers configs use.
Result<uint32_t> read_rate(const JsonFields& fields, const char* type, const char* old_key,
                           uint32_t fallback) {
  AgreedValue<uint32_t> rate;
  SLUICE_ASSIGN(const auto old_rate, fields.integer(old_key, 2, kRatioLimit));
  SLUICE_TRY(rate.offer(fields, old_key, old_rate));
  SLUICE_ASSIGN(const auto rates, fields.object("compress_rates"));
  if (rates) {
    SLUICE_ASSIGN(const auto new_rate, rates->integer(type, 2, kRatioLimit));
    SLUICE_TRY(rate.offer(*rates, type, new_rate));
  }
  return rate.value().value_or(fallback);
}

// How many tokens an HCA block has. CSA's form is made for 4; with HCA at 4 too, the two could not be told
// apart.
Result<uint32_t> read_hca_rate(const JsonFields& fields) {
  SLUICE_ASSIGN(const uint32_t csa, read_rate(fields, kCsaType, "compress_rate_csa", kCsaRatio));
  if (csa != kCsaRatio) {
    return fields.fail_at(ErrorCode::kUnsupported, "compress_rates",
                          "gives {} the rate {}; only {} is supported", kCsaType, csa, kCsaRatio);
  }
  SLUICE_ASSIGN(const uint32_t hca, read_rate(fields, kHcaType, "compress_rate_hca", kHcaRatio));
  if (hca == kCsaRatio) {
    return fields.fail_at(ErrorCode::kUnsupported, "compress_rates",
                          "gives {} the rate {}, which is that of {}", kHcaType, hca, kCsaType);
  }
  return hca;
}

// A schedule lists the layers, and may go on with the MTP layers.
Status check_length(const JsonFields& fields, const std::string& key, size_t entries,
                    const ModelConfig& config) {
  const size_t layers = config.num_hidden_layers;
  const size_t all_layers = layers + config.num_nextn_predict_layers;
  if (entries == layers || entries == all_layers) return {};
  return fields.fail_at(
      ErrorCode::kCorrupt, key,
      "has {} entries; num_hidden_layers is {} and num_nextn_predict_layers {}: {} or {} were expected",
      entries, layers, config.num_nextn_predict_layers, layers, all_layers);
}

// compress_ratios: the released spelling.
Result<std::optional<Ratios>> read_ratio_list(const JsonFields& fields, uint32_t hca_rate,
                                              const ModelConfig& config) {
  const std::string key = "compress_ratios";
  SLUICE_ASSIGN(const std::optional<Ratios> ratios, fields.integers(key, 0, kRatioLimit));
  if (!ratios) return ratios;
  SLUICE_TRY(check_length(fields, key, ratios->size(), config));
  for (size_t layer = 0; layer < ratios->size(); ++layer) {
    const uint32_t ratio = (*ratios)[layer];
    if (ratio == 0 || ratio == kCsaRatio || ratio == hca_rate) continue;
    return fields.fail_at(ErrorCode::kUnsupported, fmt::format("{}[{}]", key, layer),
                          "is {}; 0, {} or {} was expected", ratio, kCsaRatio, hca_rate);
  }
  return ratios;
}

// layer_types: the transformers library's spelling.
Result<std::optional<Ratios>> read_layer_types(const JsonFields& fields, uint32_t hca_rate,
                                               const ModelConfig& config) {
  const std::string key = "layer_types";
  SLUICE_ASSIGN(const auto types, fields.texts(key));
  if (!types) return std::optional<Ratios>();
  SLUICE_TRY(check_length(fields, key, types->size(), config));
  Ratios ratios;
  for (const std::string& type : *types) {
    if (type == kWindowType) {
      ratios.push_back(0);
    } else if (type == kCsaType) {
      ratios.push_back(kCsaRatio);
    } else if (type == kHcaType) {
      ratios.push_back(hca_rate);
    } else {
      return fields.fail_at(ErrorCode::kUnsupported, fmt::format("{}[{}]", key, ratios.size()),
                            "is \"{}\"; {}, {} or {} was expected", type, kWindowType, kCsaType, kHcaType);
    }
  }
  return std::optional(std::move(ratios));
}

// Both spellings may stand in one file; where both speak of a layer they must agree.
Result<Ratios> merge_schedules(const JsonFields& fields, const std::optional<Ratios>& listed,
                               const std::optional<Ratios>& typed) {
  if (!listed && !typed) return fields.missing("compress_ratios (or layer_types)");
  if (!listed || !typed) return listed ? *listed : *typed;
  const size_t common = std::min(listed->size(), typed->size());
  for (size_t layer = 0; layer < common; ++layer) {
    if ((*listed)[layer] == (*typed)[layer]) continue;
    return fields.fail_at(ErrorCode::kCorrupt, fmt::format("layer_types[{}]", layer),
                          "means ratio {} but compress_ratios[{}] is {}: they must agree", (*typed)[layer],
                          layer, (*listed)[layer]);
  }
  return listed->size() >= typed->size() ? *listed : *typed;
}

// The leading run of "hash_moe" in mlp_layer_types.
Result<std::optional<uint32_t>> count_hash_layers(const JsonFields& fields, const ModelConfig& config) {
  const std::string key = "mlp_layer_types";
  SLUICE_ASSIGN(const auto types, fields.texts(key));
  if (!types) return std::optional<uint32_t>();
  SLUICE_TRY(check_length(fields, key, types->size(), config));
  uint32_t hash_layers = 0;
  for (size_t layer = 0; layer < types->size(); ++layer) {
    const std::string& type = (*types)[layer];
    const std::string entry = fmt::format("{}[{}]", key, layer);
    if (type == "moe") continue;
    if (type != "hash_moe") {
      return fields.fail_at(ErrorCode::kUnsupported, entry, "is \"{}\"; hash_moe or moe was expected", type);
    }
    if (hash_layers != layer || layer >= config.num_hidden_layers) {
      return fields.fail_at(ErrorCode::kUnsupported, entry,
                            "is hash_moe after a layer that is not: only leading "
                            "layers can be hashed");
    }
    ++hash_layers;
  }
  return std::optional(hash_layers);
}

Status read_hash_layers(const JsonFields& fields, ModelConfig& config) {
  AgreedValue<uint32_t> hash_layers;
  SLUICE_ASSIGN(const auto stated, fields.integer("num_hash_layers", 0, config.num_hidden_layers));
  SLUICE_TRY(hash_layers.offer(fields, "num_hash_layers", stated));
  SLUICE_ASSIGN(const auto counted, count_hash_layers(fields, config));
  SLUICE_TRY(hash_layers.offer(fields, "the count of hash_moe in mlp_layer_types", counted));
  if (!hash_layers.value()) return fields.missing("num_hash_layers (or mlp_layer_types)");
  config.num_hash_layers = *hash_layers.value();
  return {};
}

}  // namespace

Status read_schedule(const JsonFields& fields, ModelConfig& config) {
  SLUICE_ASSIGN(const uint32_t hca_rate, read_hca_rate(fields));
  SLUICE_ASSIGN(const std::optional<Ratios> listed, read_ratio_list(fields, hca_rate, config));
  SLUICE_ASSIGN(const std::optional<Ratios> typed, read_layer_types(fields, hca_rate, config));
  SLUICE_ASSIGN(Ratios ratios, merge_schedules(fields, listed, typed));
  ratios.resize(config.num_hidden_layers + config.num_nextn_predict_layers, 0);
  const auto first_mtp = ratios.begin() + config.num_hidden_layers;
  config.compress_ratios.assign(ratios.begin(), first_mtp);
  config.mtp_compress_ratios.assign(first_mtp, ratios.end());
  return read_hash_layers(fields, config);
}

}  // namespace sluice
