// Any bytes as the files that `verify` and `perplexity` compare with: refused with a message that names the
// file, or something that can be compared without further checks.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "engine/perplexity.h"
#include "engine/reference.h"

namespace {

using namespace sluice;

// tests/data/reference/variants/variant-bf16, what the parsers need of it and what a config must have.
constexpr std::string_view kConfig = R"({
  "vocab_size": 256, "hidden_size": 96, "moe_intermediate_size": 32, "num_attention_heads": 2, "head_dim": 32,
  "q_lora_rank": 48, "num_experts_per_tok": 2, "n_routed_experts": 9, "scoring_func": "sigmoid",
  "routed_scaling_factor": 1.5, "rope_theta": 10000.0, "compress_rope_theta": 160000.0, "hc_mult": 3,
  "swiglu_limit": 10.0, "sliding_window": 8, "o_groups": 1, "o_lora_rank": 24, "index_n_heads": 1,
  "index_head_dim": 32, "index_topk": 6, "num_hidden_layers": 3, "compress_ratios": [4, 0, 128],
  "num_hash_layers": 0, "qk_rope_head_dim": 16, "bos_token_id": 0, "eos_token_id": 1})";
constexpr const char* kFileName = "input";

void require(bool holds) {
  if (!holds) std::abort();
}

template <class T>
void require_named(const Result<T>& result) {
  require(result.has_value() || result.error().message.find(kFileName) != std::string::npos);
}

void require_ids(const std::vector<int32_t>& ids, const ModelConfig& config) {
  for (const int32_t id : ids) require(id >= 0 && static_cast<uint32_t>(id) < config.vocab_size);
}

// Touches every element of every row.
template <class T>
void require_table(const Table<T>& table, size_t rows) {
  require(table.rows == rows);
  require(table.values.size() == table.rows * table.width);
  for (size_t row = 0; row < table.rows; ++row) require(table.row(row).size() == table.width);
}

template <class T>
void require_table_if_any(const Table<T>& table, size_t rows) {
  if (!table.values.empty()) require_table(table, rows);
}

void check_case(const ReferenceCase& one, const ModelConfig& config) {
  require(!one.ids.empty());
  require_ids(one.ids, config);
  require_ids(one.greedy_ids, config);
  for (const size_t position : one.positions) require(position < one.ids.size());
  for (const size_t position : one.probe_positions) require(position < one.ids.size());
  for (const size_t position : one.mtp_positions) require(position + 1 < one.ids.size());
  require_table(one.logits, one.positions.size());
  require_table(one.mtp_logits, one.mtp_positions.size());
  require_table(one.greedy_logits, one.greedy_ids.size());
  require(one.greedy_prompt_tokens <= one.ids.size());
  require(one.layers.size() == config.num_hidden_layers);
  for (const ReferenceLayer& layer : one.layers) {
    require_table_if_any(layer.experts, one.ids.size());
    for (const int64_t expert : layer.experts.values)
      require(expert >= 0 && expert < config.n_routed_experts);
    require_table_if_any(layer.weights, one.probe_positions.size());
    require_table_if_any(layer.attention, one.probe_positions.size());
    require_table_if_any(layer.streams, one.probe_positions.size());
    require_table_if_any(layer.index_topk, one.probe_positions.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ModelConfig config = parse_config(kConfig, "config.json").value();
  const std::span bytes(data, size);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto cases = parse_reference(std::as_bytes(bytes), kFileName, config);
  require_named(cases);
  if (cases) {
    for (const ReferenceCase& one : *cases) check_case(one, config);
  }
  const auto greedy = parse_greedy(text, kFileName, config);
  require_named(greedy);
  if (greedy) {
    for (const GreedyCase& one : *greedy) {
      require(!one.prompt_ids.empty() && one.margins.size() == one.output_ids.size());
      require_ids(one.prompt_ids, config);
      require_ids(one.output_ids, config);
    }
  }
  const auto perplexity = parse_perplexity_text(text, kFileName, config);
  require_named(perplexity);
  if (perplexity) {
    require(perplexity->ids.size() >= 2 && perplexity->window > 0);
    require_ids(perplexity->ids, config);
  }
  return 0;
}
