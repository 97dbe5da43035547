#include "model/bind_weights.h"

#include "base/fail.h"

namespace sluice {
namespace {

// Binds one model: the configuration's sizes under the page's letters.
class ModelBinder {
 public:
  ModelBinder(const ModelConfig& config, WeightBinder& binder)
      : config_(config), binder_(binder), D_(config.hidden_size), hc_(config.hc_mult) {}

  Result<ModelWeights> model() {
    ModelWeights weights;
    SLUICE_ASSIGN(weights.embed, binder_.matrix("embed", config_.vocab_size, D_));
    SLUICE_ASSIGN(weights.head, binder_.matrix("head", config_.vocab_size, D_));
    SLUICE_ASSIGN(weights.output, head(""));
    for (uint32_t layer_index = 0; layer_index < config_.num_hidden_layers; ++layer_index) {
      SLUICE_ASSIGN(auto bound,
                    layer(fmt::format("layers.{}.", layer_index), config_.compress_ratios[layer_index],
                          layer_index < config_.num_hash_layers));
      weights.layers.push_back(std::move(bound));
    }
    for (uint32_t mtp_index = 0; mtp_index < config_.num_nextn_predict_layers; ++mtp_index) {
      SLUICE_ASSIGN(auto bound,
                    mtp(fmt::format("mtp.{}.", mtp_index), config_.mtp_compress_ratios[mtp_index]));
      weights.mtp.push_back(std::move(bound));
    }
    return weights;
  }

 private:
  Result<HyperConnectionWeights> hyper_connection(const std::string& name, uint64_t rows, uint64_t scales) {
    HyperConnectionWeights weights;
    SLUICE_ASSIGN(weights.fn, binder_.plain_matrix(name + "_fn", rows, hc_ * D_));
    SLUICE_ASSIGN(weights.base, binder_.floats(name + "_base", {rows}));
    SLUICE_ASSIGN(weights.scale, binder_.floats(name + "_scale", {scales}));
    return weights;
  }

  Result<HeadWeights> head(const std::string& prefix) {
    HeadWeights weights;
    SLUICE_ASSIGN(weights.hc_head, hyper_connection(prefix + "hc_head", hc_, 1));
    SLUICE_ASSIGN(weights.norm, binder_.floats(prefix + "norm.weight", {D_}));
    return weights;
  }

  Result<CompressorWeights> compressor(const std::string& prefix, uint64_t ratio, uint64_t row_width) {
    const uint64_t input_width = ratio == 4 ? 2 * row_width : row_width;
    CompressorWeights weights;
    SLUICE_ASSIGN(weights.wkv, binder_.matrix(prefix + "wkv", input_width, D_));
    SLUICE_ASSIGN(weights.wgate, binder_.matrix(prefix + "wgate", input_width, D_));
    SLUICE_ASSIGN(weights.ape, binder_.floats(prefix + "ape", {ratio, input_width}));
    SLUICE_ASSIGN(weights.norm, binder_.floats(prefix + "norm.weight", {row_width}));
    return weights;
  }

  Result<IndexerWeights> indexer(const std::string& prefix) {
    IndexerWeights weights;
    SLUICE_ASSIGN(weights.wq_b,
                  binder_.matrix(prefix + "wq_b", uint64_t{config_.index_n_heads} * config_.index_head_dim,
                                 config_.q_lora_rank));
    SLUICE_ASSIGN(weights.weights_proj, binder_.matrix(prefix + "weights_proj", config_.index_n_heads, D_));
    SLUICE_ASSIGN(weights.compressor, compressor(prefix + "compressor.", 4, config_.index_head_dim));
    return weights;
  }

  Result<AttentionWeights> attention(const std::string& prefix, uint32_t ratio) {
    const uint64_t heads_width = uint64_t{config_.num_attention_heads} * config_.head_dim;
    const uint64_t o_width = uint64_t{config_.o_groups} * config_.o_lora_rank;
    AttentionWeights weights;
    SLUICE_ASSIGN(weights.wq_a, binder_.matrix(prefix + "wq_a", config_.q_lora_rank, D_));
    SLUICE_ASSIGN(weights.q_norm, binder_.floats(prefix + "q_norm.weight", {config_.q_lora_rank}));
    SLUICE_ASSIGN(weights.wq_b, binder_.matrix(prefix + "wq_b", heads_width, config_.q_lora_rank));
    SLUICE_ASSIGN(weights.wkv, binder_.matrix(prefix + "wkv", config_.head_dim, D_));
    SLUICE_ASSIGN(weights.kv_norm, binder_.floats(prefix + "kv_norm.weight", {config_.head_dim}));
    SLUICE_ASSIGN(weights.attn_sink, binder_.floats(prefix + "attn_sink", {config_.num_attention_heads}));
    SLUICE_ASSIGN(weights.wo_a, binder_.matrix(prefix + "wo_a", o_width, heads_width / config_.o_groups));
    SLUICE_ASSIGN(weights.wo_b, binder_.matrix(prefix + "wo_b", D_, o_width));
    if (ratio != 0) {
      SLUICE_ASSIGN(weights.compressor, compressor(prefix + "compressor.", ratio, config_.head_dim));
    }
    if (ratio == 4) {
      SLUICE_ASSIGN(weights.indexer, indexer(prefix + "indexer."));
    }
    return weights;
  }

  Result<RouterWeights> router(const std::string& prefix, bool hashed) {
    RouterWeights weights;
    SLUICE_ASSIGN(weights.gate, binder_.matrix(prefix + "gate", config_.n_routed_experts, D_));
    if (hashed) {
      SLUICE_ASSIGN(weights.table,
                    binder_.expert_table(prefix + "gate.tid2eid", config_.vocab_size,
                                         config_.num_experts_per_tok, config_.n_routed_experts));
    } else {
      SLUICE_ASSIGN(weights.bias, binder_.floats(prefix + "gate.bias", {config_.n_routed_experts}));
    }
    return weights;
  }

  Result<LayerWeights> layer(const std::string& prefix, uint32_t ratio, bool hashed) {
    const uint64_t inner = config_.moe_intermediate_size;
    LayerWeights weights;
    SLUICE_ASSIGN(weights.hc_attn, hyper_connection(prefix + "hc_attn", (2 + hc_) * hc_, 3));
    SLUICE_ASSIGN(weights.hc_ffn, hyper_connection(prefix + "hc_ffn", (2 + hc_) * hc_, 3));
    SLUICE_ASSIGN(weights.attn_norm, binder_.floats(prefix + "attn_norm.weight", {D_}));
    SLUICE_ASSIGN(weights.ffn_norm, binder_.floats(prefix + "ffn_norm.weight", {D_}));
    SLUICE_ASSIGN(weights.attn, attention(prefix + "attn.", ratio));
    SLUICE_ASSIGN(weights.router, router(prefix + "ffn.", hashed));
    const std::string shared = prefix + "ffn.shared_experts.";
    SLUICE_ASSIGN(weights.shared_expert.w1, binder_.matrix(shared + "w1", inner, D_));
    SLUICE_ASSIGN(weights.shared_expert.w3, binder_.matrix(shared + "w3", inner, D_));
    SLUICE_ASSIGN(weights.shared_expert.w2, binder_.matrix(shared + "w2", D_, inner));
    return weights;
  }

  Result<MtpWeights> mtp(const std::string& prefix, uint32_t ratio) {
    MtpWeights weights;
    SLUICE_ASSIGN(weights.e_proj, binder_.matrix(prefix + "e_proj", D_, D_));
    SLUICE_ASSIGN(weights.h_proj, binder_.matrix(prefix + "h_proj", D_, D_));
    SLUICE_ASSIGN(weights.enorm, binder_.floats(prefix + "enorm.weight", {D_}));
    SLUICE_ASSIGN(weights.hnorm, binder_.floats(prefix + "hnorm.weight", {D_}));
    SLUICE_ASSIGN(weights.layer, layer(prefix, ratio, /*hashed=*/false));
    SLUICE_ASSIGN(weights.head, head(prefix));
    return weights;
  }

  const ModelConfig& config_;
  WeightBinder& binder_;
  uint64_t D_;
  uint64_t hc_;
};

// The stored matrices of one expert.
struct StoredExpert {
  StoredMatrix w1, w3, w2;
};

Result<StoredExpert> find_expert(const Checkpoint& checkpoint, const std::string& prefix) {
  const uint64_t hidden = checkpoint.config().hidden_size;
  const uint64_t inner = checkpoint.config().moe_intermediate_size;
  const auto find = [&](const char* name, uint64_t rows, uint64_t cols) {
    return find_matrix(checkpoint, prefix + name + ".weight", prefix + name + ".scale", rows, cols);
  };
  StoredExpert expert;
  SLUICE_ASSIGN(expert.w1, find("w1", inner, hidden));
  SLUICE_ASSIGN(expert.w3, find("w3", inner, hidden));
  SLUICE_ASSIGN(expert.w2, find("w2", hidden, inner));
  return expert;
}

}  // namespace

Result<ModelWeights> bind_weights(const ModelConfig& config, WeightBinder& binder) {
  return ModelBinder(config, binder).model();
}

Result<ExpertStorage> ExpertStorage::locate(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  const uint32_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  std::vector<Extent> extents;
  std::vector<std::array<WeightFormat, kMatrices>> formats;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    const std::string prefix = layer < config.num_hidden_layers
                                   ? fmt::format("layers.{}.ffn.experts.", layer)
                                   : fmt::format("mtp.{}.ffn.experts.", layer - config.num_hidden_layers);
    for (uint32_t e = 0; e < config.n_routed_experts; ++e) {
      SLUICE_ASSIGN(const StoredExpert expert, find_expert(checkpoint, fmt::format("{}{}.", prefix, e)));
      for (const StoredMatrix* matrix : {&expert.w1, &expert.w3, &expert.w2}) {
        extents.push_back(matrix->weight->extent);
        const Extent& values = matrix->weight->extent;
        extents.push_back(matrix->scale != nullptr ? matrix->scale->extent
                                                   : Extent{values.file, values.offset_bytes, 0});
      }
      formats.push_back({expert.w1.format, expert.w3.format, expert.w2.format});
    }
  }
  SLUICE_ASSIGN(auto catalog,
                ExpertCatalog::create(layers, config.n_routed_experts, 2 * kMatrices, std::move(extents)));
  ExpertStorage storage(std::move(catalog));
  storage.formats_ = std::move(formats);
  const uint32_t hidden = config.hidden_size;
  const uint32_t inner = config.moe_intermediate_size;
  storage.shapes_ = {WeightMatrix{WeightFormat::kF32, inner, hidden, nullptr, nullptr},
                     WeightMatrix{WeightFormat::kF32, inner, hidden, nullptr, nullptr},
                     WeightMatrix{WeightFormat::kF32, hidden, inner, nullptr, nullptr}};
  return storage;
}

ExpertMatrices ExpertStorage::view(uint32_t index, const ExpertLease& lease) const {
  std::array<WeightMatrix, kMatrices> matrices = shapes_;
  for (size_t which = 0; which < kMatrices; ++which) {
    matrices[which].format = formats_[index][which];
    matrices[which].values = lease.part(2 * which).data();
    matrices[which].scales = lease.part(2 * which + 1).data();  // of no bytes where the format has no scales
  }
  return {matrices[0], matrices[1], matrices[2]};
}

}  // namespace sluice
