#include <fmt/ranges.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/inspection.h"
#include "cli/json_output.h"

namespace sluice {
namespace {

// "2 x ratio 0, 3 x ratio 4": how many layers compress how.
std::string ratios_text(const std::vector<uint32_t>& ratios) {
  std::map<uint32_t, size_t> counts;
  for (const uint32_t ratio : ratios) ++counts[ratio];
  std::vector<std::string> parts;
  for (const auto& [ratio, count] : counts) {
    parts.push_back(ratio == 0 ? fmt::format("{} see the window only", count)
                               : fmt::format("{} compress {} to 1", count, ratio));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string model_text(const Inspection& found) {
  const ModelConfig& config = found.config;
  return fmt::format(
      "{}\n"
      "  {} in {} tensors, {} file{}\n\n"
      "Model\n"
      "  layers             {}: {}\n"
      "  hidden             {}, in {} residual streams; vocabulary {}\n"
      "  attention          {} heads of {}, a window of {}, up to {} positions\n"
      "  experts            {} a layer, {} for a token, and a shared one; inner size {}; {} layers route by "
      "hash\n"
      "  multi-token layers {}\n\n",
      found.folder.string(), format_bytes(found.tensor_bytes), found.tensors, found.files,
      found.files == 1 ? "" : "s", config.num_hidden_layers, ratios_text(config.compress_ratios),
      config.hidden_size, config.hc_mult, config.vocab_size, config.num_attention_heads, config.head_dim,
      config.sliding_window, config.max_position_embeddings, config.n_routed_experts,
      config.num_experts_per_tok, config.moe_intermediate_size, config.num_hash_layers,
      config.num_nextn_predict_layers);
}

std::string weights_text(const Inspection& found) {
  std::string text = "Weights\n";
  for (size_t i = 0; i < kWeightKinds; ++i) {
    const WeightCount& count = found.census.kinds[i];
    if (count.tensors == 0) continue;
    text += fmt::format("  {:<18} {:>9}  {}\n", weight_kind_name(static_cast<WeightKind>(i)),
                        format_bytes(count.bytes), fmt::join(count.formats, ", "));
  }
  const uint64_t routed = found.census.of(WeightKind::kRoutedExpert).bytes;
  text +=
      fmt::format("  {} routed experts of {}, {} of them a layer\n\n", found.experts,
                  format_bytes(found.expert_bytes), format_bytes(routed / found.config.num_hidden_layers));
  text += "A token uses\n";
  text += fmt::format("  {:<18} {:>9}  {} experts: what is read when none of them is in memory\n",
                      "routed experts", format_bytes(found.routed_bytes_per_token),
                      found.config.num_hidden_layers * found.config.num_experts_per_tok);
  return text + fmt::format("  {:<18} {:>9}\n\n", "dense weights", format_bytes(found.dense_bytes_per_token));
}

std::string choice_text(const CacheChoice& choice, uint64_t available_bytes) {
  const char* verdict = available_bytes == 0                    ? ""
                        : choice.total_bytes <= available_bytes ? "fits"
                                                                : "does not fit";
  return fmt::format("  --cache {:<10} {:>9}  {} slots, {} with all of the above: {}\n",
                     fmt::format("{}%", choice.percent), format_bytes(choice.slots_bytes), choice.slots,
                     format_bytes(choice.total_bytes), verdict);
}

std::string memory_text(const Inspection& found) {
  const MemoryPlan& plan = found.whole;
  std::string text = plan.available_bytes == 0
                         ? std::string("Memory (this machine does not say how much is available)\n")
                         : fmt::format("Memory ({} available here)\n", format_bytes(plan.available_bytes));
  text += fmt::format("  {:<18} {:>9}  stay in memory\n", "dense weights", format_bytes(plan.dense_bytes));
  text += fmt::format("  {:<18} {:>9}  for {} tokens; 1000 tokens take {}, all {} take {}\n", "context",
                      format_bytes(plan.kv_bytes), found.context_tokens, format_bytes(found.kv_bytes_1000),
                      found.config.max_position_embeddings, format_bytes(found.kv_bytes_full));
  text += fmt::format("  {:<18} {:>9}\n", "workspace", format_bytes(plan.workspace_bytes));
  text += fmt::format("  {:<18} {:>9}\n", "program", format_bytes(plan.program_bytes));
  for (const CacheChoice& choice : found.choices) text += choice_text(choice, plan.available_bytes);
  if (!found.automatic) return text + "  " + found.does_not_fit + "\n";
  const double percent =
      100 * static_cast<double>(found.automatic->slots) / static_cast<double>(plan.experts);
  return text + fmt::format("  without --cache    {:>9}  {} slots, {:.0f} % of the experts\n",
                            format_bytes(found.automatic->experts_bytes), found.automatic->slots, percent);
}

nlohmann::ordered_json config_json(const ModelConfig& config) {
  return {{"num_hidden_layers", config.num_hidden_layers},
          {"hidden_size", config.hidden_size},
          {"vocab_size", config.vocab_size},
          {"max_position_embeddings", config.max_position_embeddings},
          {"num_attention_heads", config.num_attention_heads},
          {"head_dim", config.head_dim},
          {"sliding_window", config.sliding_window},
          {"compress_ratios", config.compress_ratios},
          {"n_routed_experts", config.n_routed_experts},
          {"num_experts_per_tok", config.num_experts_per_tok},
          {"moe_intermediate_size", config.moe_intermediate_size},
          {"num_hash_layers", config.num_hash_layers},
          {"hc_mult", config.hc_mult},
          {"num_nextn_predict_layers", config.num_nextn_predict_layers}};
}

}  // namespace

std::string describe(const Inspection& found) {
  return model_text(found) + weights_text(found) + memory_text(found);
}

std::string describe_as_json(const Inspection& found) {
  using nlohmann::ordered_json;
  ordered_json json{{"folder", found.folder.string()},
                    {"files", found.files},
                    {"tensors", found.tensors},
                    {"tensor_bytes", found.tensor_bytes},
                    {"config", config_json(found.config)},
                    {"weights", ordered_json::array()}};
  for (size_t i = 0; i < kWeightKinds; ++i) {
    const WeightCount& count = found.census.kinds[i];
    json["weights"].push_back({{"kind", weight_kind_name(static_cast<WeightKind>(i))},
                               {"tensors", count.tensors},
                               {"bytes", count.bytes},
                               {"formats", count.formats}});
  }
  json["experts"] = found.experts;
  json["expert_bytes"] = found.expert_bytes;
  json["routed_bytes_per_token"] = found.routed_bytes_per_token;
  json["dense_bytes_per_token"] = found.dense_bytes_per_token;
  json["context_tokens"] = found.context_tokens;
  json["kv_bytes_1000_tokens"] = found.kv_bytes_1000;
  json["kv_bytes_full"] = found.kv_bytes_full;
  json["memory_with_all_experts"] = to_json(found.whole);
  json["cache_choices"] = ordered_json::array();
  for (const CacheChoice& choice : found.choices) {
    json["cache_choices"].push_back({{"percent", choice.percent},
                                     {"slots", choice.slots},
                                     {"slots_bytes", choice.slots_bytes},
                                     {"total_bytes", choice.total_bytes}});
  }
  json["memory_plan"] = found.automatic ? to_json(*found.automatic) : ordered_json();
  if (!found.automatic) json["does_not_fit"] = found.does_not_fit;
  return json_line(json);
}

}  // namespace sluice
