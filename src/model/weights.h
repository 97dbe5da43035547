// The dense weights of a DeepSeek-V4 model, in their stored formats: views into one arena of bytes.
// Names and shapes: deepseek-v4.md, Checkpoint. Vectors of a row or less are decoded to float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "numerics/weight_matrix.h"

namespace sluice {

struct CompressorWeights {
  WeightMatrix wkv, wgate;  // [input_width, D]
  std::vector<float> ape;   // [ratio, input_width]
  std::vector<float> norm;  // [row_width]
};

struct IndexerWeights {
  WeightMatrix wq_b;          // [index_n_heads * index_head_dim, q_lora]
  WeightMatrix weights_proj;  // [index_n_heads, D]
  CompressorWeights compressor;
};

struct AttentionWeights {
  WeightMatrix wq_a;             // [q_lora, D]
  std::vector<float> q_norm;     // [q_lora]
  WeightMatrix wq_b;             // [H * d, q_lora]
  WeightMatrix wkv;              // [d, D]
  std::vector<float> kv_norm;    // [d]
  std::vector<float> attn_sink;  // [H]
  WeightMatrix wo_a;             // [o_groups * o_lora, H * d / o_groups]
  WeightMatrix wo_b;             // [D, o_groups * o_lora]
  std::optional<CompressorWeights> compressor;
  std::optional<IndexerWeights> indexer;
};

struct HyperConnectionWeights {
  WeightMatrix fn;           // [(2 + hc) * hc, hc * D]; of a head: [hc, hc * D]
  std::vector<float> base;   // one per row of fn
  std::vector<float> scale;  // [3]: pre, post, comb; of a head: [1]
};

// The experts of each token id on a hash layer, as stored: [vocab, experts_per_token] of 4 or 8 byte
// integers.
struct ExpertTable {
  const std::byte* entries = nullptr;
  bool is_64_bit = true;
  uint32_t experts_per_token = 0;
  uint32_t expert(uint32_t token_id, uint32_t rank) const;
};

struct RouterWeights {
  WeightMatrix gate;                 // [E, D]
  std::vector<float> bias;           // [E]; scored layers
  std::optional<ExpertTable> table;  // hash layers
};

// An expert's three products, shared or routed.
struct ExpertMatrices {
  WeightMatrix w1, w3;  // [I, D]: gate and up
  WeightMatrix w2;      // [D, I]
};

struct LayerWeights {
  HyperConnectionWeights hc_attn, hc_ffn;
  std::vector<float> attn_norm, ffn_norm;  // [D]
  AttentionWeights attn;
  RouterWeights router;
  ExpertMatrices shared_expert;
};

struct HeadWeights {
  HyperConnectionWeights hc_head;
  std::vector<float> norm;  // [D]
};

struct MtpWeights {
  WeightMatrix e_proj, h_proj;      // [D, D]
  std::vector<float> enorm, hnorm;  // [D]
  LayerWeights layer;
  HeadWeights head;
};

struct ModelWeights {
  WeightMatrix embed, head;  // [V, D]
  HeadWeights output;
  std::vector<LayerWeights> layers;
  std::vector<MtpWeights> mtp;
};

}  // namespace sluice
