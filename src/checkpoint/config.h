// A model's shape and constants, as its config.json states them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// How a router turns its products into scores.
enum class ScoringFunc { kSqrtSoftplus, kSigmoid, kSoftmax };
const char* scoring_func_name(ScoringFunc scoring);  // "sqrtsoftplus", "sigmoid", "softmax"

// Stretching of the rotary embedding, on layers with a compress ratio only. No magnitude factor.
struct Yarn {
  double factor = 1;
  uint32_t original_max_position_embeddings = 0;
  double beta_fast = 32;
  double beta_slow = 1;
  bool operator==(const Yarn&) const = default;
};

// What every layer of a DeepSeek-V4 model needs to know. Named as in config.json; one form, whichever
// spelling the file uses. A parsed config satisfies every range below, so that products of two or three of
// these sizes, and the bytes of all experts together, fit in 64 bits. The initial values are the defaults of
// keys that may be missing; a size that starts at 0 must be in the file.
struct ModelConfig {
  uint32_t vocab_size = 0;         // V
  uint32_t hidden_size = 0;        // D
  uint32_t num_hidden_layers = 0;  // without the MTP layers
  uint32_t max_position_embeddings = 1u << 20;
  double rms_norm_eps = 1e-6;

  // Attention. One key/value head, shared by all query heads.
  uint32_t num_attention_heads = 0;  // H
  uint32_t head_dim = 0;             // d
  uint32_t qk_rope_head_dim =
      0;  // r: the last r channels of a head turn; even, <= head_dim and index_head_dim
  uint32_t q_lora_rank = 0;
  uint32_t o_groups = 0;  // divides num_attention_heads
  uint32_t o_lora_rank = 0;
  uint32_t sliding_window = 0;  // W

  // Per layer: 0 sees the window only, 4 is CSA (overlapping blocks, indexer), any other is HCA with that
  // many tokens a block. [num_hidden_layers] and [num_nextn_predict_layers].
  std::vector<uint32_t> compress_ratios;
  std::vector<uint32_t> mtp_compress_ratios;

  // CSA's indexer.
  uint32_t index_n_heads = 0;
  uint32_t index_head_dim = 0;
  uint32_t index_topk = 0;

  // Rotary embedding: rope_theta for layers of ratio 0; compress_rope_theta and yarn for the others.
  double rope_theta = 10000;
  double compress_rope_theta = 160000;
  std::optional<Yarn> yarn;

  // Experts.
  uint32_t n_routed_experts = 0;     // E
  uint32_t num_experts_per_tok = 0;  // k, <= E
  uint32_t moe_intermediate_size = 0;
  uint32_t n_shared_experts = 1;  // always 1: others are refused
  uint32_t num_hash_layers = 0;   // leading layers whose experts come from a table
  ScoringFunc scoring_func = ScoringFunc::kSqrtSoftplus;
  bool norm_topk_prob = true;  // always true: others are refused
  double routed_scaling_factor = 0;
  double swiglu_limit = 0;

  // Hyper-connections.
  uint32_t hc_mult = 4;  // residual streams
  uint32_t hc_sinkhorn_iters = 20;
  double hc_eps = 1e-6;

  uint32_t num_nextn_predict_layers = 0;  // MTP layers

  uint32_t bos_token_id = 0;
  std::vector<uint32_t> eos_token_ids = {1};  // any of them ends a text; "eos_token_id", a number or an array

  bool operator==(const ModelConfig&) const = default;
};

// The model that a config.json describes, in the spelling of the releases (compress_ratios, num_hash_layers,
// rope_scaling) or of the transformers library (layer_types, mlp_layer_types, compress_rates,
// rope_parameters). Where both stand in one file they must agree. Unknown keys are ignored. Errors name the
// file and the key: kCorrupt for a key that is missing, mistyped or out of range, kUnsupported for a model
// that Sluice cannot run.
Result<ModelConfig> parse_config(std::string_view json, const std::string& file_name);

}  // namespace sluice
