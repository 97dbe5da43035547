// Any text as a config.json: refused with a message, or a model whose sizes keep what config.h promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "checkpoint/config.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_promises(const sluice::ModelConfig& config) {
  require(config.compress_ratios.size() == config.num_hidden_layers);
  require(config.mtp_compress_ratios.size() == config.num_nextn_predict_layers);
  require(config.num_hash_layers <= config.num_hidden_layers);
  require(config.num_experts_per_tok >= 1 && config.num_experts_per_tok <= config.n_routed_experts);
  require(config.num_attention_heads % config.o_groups == 0);
  require(config.qk_rope_head_dim >= 2 && config.qk_rope_head_dim % 2 == 0);
  require(config.qk_rope_head_dim <= config.head_dim && config.qk_rope_head_dim <= config.index_head_dim);
  require(config.bos_token_id < config.vocab_size && !config.eos_token_ids.empty());
  require(config.swiglu_limit > 0 && config.rms_norm_eps > 0 && config.hc_eps > 0 && config.rope_theta > 1);
  require(!config.yarn || (config.yarn->factor >= 1 && config.yarn->beta_slow > 0));
  const auto layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  uint64_t bytes = 12;  // three matrices of four-byte elements
  for (const uint32_t factor :
       {layers, config.n_routed_experts, config.moe_intermediate_size, config.hidden_size}) {
    require(!__builtin_mul_overflow(bytes, factor, &bytes));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = sluice::parse_config(text, "config.json");
  if (config) {
    check_promises(*config);
  } else {
    require(config.error().message.starts_with("config.json: "));
  }
  return 0;
}
