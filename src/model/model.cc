#include "model/model.h"

#include <algorithm>

#include "base/fail.h"
#include "kernels/activations.h"
#include "kernels/matmul.h"
#include "kernels/vector_ops.h"
#include "model/attention.h"
#include "model/expert_block.h"
#include "model/expert_products.h"
#include "model/hyper_connection.h"

namespace sluice {
namespace {

Rope compressed_rope(const ModelConfig& config) {
  if (!config.yarn) return Rope(config.qk_rope_head_dim, config.compress_rope_theta, nullptr);
  const YarnScaling scaling{config.yarn->factor,
                            static_cast<double>(config.yarn->original_max_position_embeddings),
                            config.yarn->beta_fast, config.yarn->beta_slow};
  return Rope(config.qk_rope_head_dim, config.compress_rope_theta, &scaling);
}

LayerStateShape layer_state_shape(const ModelConfig& config, uint32_t ratio, RowFormat format) {
  LayerStateShape shape{config.sliding_window, config.head_dim, std::nullopt, std::nullopt, format};
  if (ratio != 0) shape.compressor = CompressorShape{ratio, config.head_dim, ratio == 4, format};
  if (ratio == 4) shape.indexer = CompressorShape{ratio, config.index_head_dim, true, format};
  return shape;
}

}  // namespace

Result<Model> Model::create(ModelParts parts, size_t max_chunk_tokens) {
  SLUICE_ASSIGN(auto workspace,
                Workspace::create(workspace_bytes(parts.config, max_chunk_tokens, parts.numerics)));
  return Model(std::move(parts), std::move(workspace), max_chunk_tokens);
}

Model::Model(ModelParts parts, Workspace workspace, size_t max_chunk_tokens)
    : parts_(std::move(parts)),
      workspace_(std::move(workspace)),
      max_chunk_tokens_(max_chunk_tokens),
      swept_(parts_.weights.layers.size(), parts_.config.num_experts_per_tok),
      window_rope_(parts_.config.qk_rope_head_dim, parts_.config.rope_theta, nullptr),
      compressed_rope_(compressed_rope(parts_.config)) {}

std::vector<LayerStateShape> Model::state_shape(const ModelConfig& config, RowFormat format) {
  std::vector<LayerStateShape> shapes;
  for (const uint32_t ratio : config.compress_ratios)
    shapes.push_back(layer_state_shape(config, ratio, format));
  return shapes;
}

std::vector<LayerStateShape> Model::mtp_state_shape(const ModelConfig& config, RowFormat format) {
  std::vector<LayerStateShape> shapes;
  for (const uint32_t ratio : config.mtp_compress_ratios)
    shapes.push_back(layer_state_shape(config, ratio, format));
  return shapes;
}

uint64_t Model::workspace_bytes(const ModelConfig& config, size_t max_chunk_tokens, Numerics numerics) {
  const uint64_t hidden = config.hidden_size;
  const uint64_t hc = config.hc_mult;
  const uint64_t k = config.num_experts_per_tok;
  const uint64_t heads_width = uint64_t{config.num_attention_heads} * config.head_dim;
  const uint64_t mixing = (2 + hc) * hc + hc + hc * hc;
  const uint64_t widest_row = std::max(config.head_dim, config.index_head_dim);
  const uint64_t compressor = 4 * widest_row;
  const uint64_t o_width = uint64_t{config.o_groups} * config.o_lora_rank;
  const uint64_t attention = config.q_lora_rank + heads_width + config.head_dim + compressor +
                             uint64_t{config.index_n_heads} * (config.index_head_dim + 1) + o_width;
  const uint64_t inner = config.moe_intermediate_size;
  const uint64_t routed = 2 * k + config.n_routed_experts + k * hidden;
  const uint64_t experts = 2 * hidden + 2 * inner;
  const uint64_t expert_tokens = std::max<uint64_t>(max_chunk_tokens, kTokensTogether);
  const uint64_t mtp = (2 + hc) * hidden;
  const uint64_t per_token = 2 * hidden + mtp + mixing;
  const auto prepared_tokens = [&](uint64_t tokens, uint64_t cols) {  // for weights of whatever format
    uint64_t most = 0;
    for (const WeightFormat format :
         {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kFP8, WeightFormat::kMXFP4})
      most = std::max<uint64_t>(most, Activations::scratch_floats(numerics, format, tokens, cols));
    return most;
  };
  const auto prepared = [&](uint64_t cols) {  // for one product, or some with a few tokens each
    return std::max(prepared_tokens(max_chunk_tokens, cols), kTokensTogether * prepared_tokens(1, cols));
  };
  const uint64_t widest_input = std::max({2 * hidden, uint64_t{config.q_lora_rank}, heads_width, o_width});
  const uint64_t in_attention = attention * max_chunk_tokens + prepared(widest_input) + prepared(hidden);
  const uint64_t in_experts =
      routed * max_chunk_tokens + experts * expert_tokens + prepared(hidden) + prepared(inner);
  constexpr uint64_t kArrays = 64 + 6 * kTokensTogether;  // each is rounded up to a cache line
  const uint64_t floats = per_token * max_chunk_tokens + std::max(in_attention, in_experts);
  return (floats + widest_row + kArrays * 16) * sizeof(float);
}

uint64_t Model::thread_bytes(const ModelConfig& config, Numerics numerics) {
  const uint64_t heads_width = uint64_t{config.num_attention_heads} * config.head_dim;
  const uint64_t widest_input =
      std::max({uint64_t{config.hc_mult} * config.hidden_size, 2 * uint64_t{config.hidden_size},
                uint64_t{config.q_lora_rank}, heads_width / config.o_groups,
                uint64_t{config.o_groups} * config.o_lora_rank, uint64_t{config.moe_intermediate_size}});
  return Activations::thread_bytes(numerics, widest_input);
}

ForwardContext Model::context(ForwardObserver* parts) {
  return {parts_.config, *parts_.pool, workspace_, parts, script_, parts_.numerics, gathers_experts_};
}

Status Model::check_rows(size_t tokens) const {
  if (tokens >= 1 && tokens <= max_chunk_tokens_) return {};
  return fail(ErrorCode::kInvalidArgument, "a pass takes in 1 to {} tokens, {} were given", max_chunk_tokens_,
              tokens);
}

Status Model::check_chunk(const SequenceState& state, std::span<const int32_t> ids) const {
  SLUICE_TRY(check_rows(ids.size()));
  if (state.position() + ids.size() > state.context_tokens()) {
    return fail(ErrorCode::kOutOfBudget, "the context of {} tokens is full: {} are taken, {} more were given",
                state.context_tokens(), state.position(), ids.size());
  }
  for (const int32_t id : ids) {
    if (id >= 0 && static_cast<uint32_t>(id) < config().vocab_size) continue;
    return fail(ErrorCode::kInvalidArgument, "token id {} is outside the vocabulary of {}", id,
                config().vocab_size);
  }
  return {};
}

Status Model::run_layer(const LayerWeights& weights, uint32_t layer, Batch& batch,
                        std::span<LayerState* const> states, float* streams, ForwardObserver* parts) {
  const ForwardContext ctx = context(parts);
  const Workspace::Scope scope(workspace_);
  const size_t hidden = config().hidden_size;
  const size_t rows = batch.rows();
  const auto eps = static_cast<float>(config().rms_norm_eps);
  float* x = workspace_.floats(rows * hidden);
  float* y = workspace_.floats(rows * hidden);
  const auto normalise = [&](const std::vector<float>& norm) {
    for (size_t t = 0; t < rows; ++t) rms_norm(x + t * hidden, norm.data(), eps, hidden, x + t * hidden);
  };
  {
    const Workspace::Scope attention_scope(workspace_);
    const PartTimer timer(ctx, PassPart::kAttention, layer);
    const StreamMixing mixing = hc_pre(ctx, weights.hc_attn, streams, rows, x);
    normalise(weights.attn_norm);
    attention(ctx, weights.attn, rope_of(*states.front()), layer, x, batch, states, y);
    hc_post(ctx, mixing, y, rows, streams);
  }
  const StreamMixing mixing = hc_pre(ctx, weights.hc_ffn, streams, rows, x);
  normalise(weights.ffn_norm);
  const bool is_ordinary = layer < parts_.weights.layers.size();
  const RoutedExperts experts{*parts_.expert_storage,
                              *parts_.expert_store,
                              {guessing_router(layer + 1), guessing_router(layer + 2)},
                              is_ordinary ? &swept_ : nullptr};
  SLUICE_TRY(expert_block(ctx, experts, weights, layer, x, batch, y));
  hc_post(ctx, mixing, y, rows, streams);
  for (size_t row = 0; row < rows; ++row) {
    ForwardObserver* const observer = batch.observer(row);
    if (observer == nullptr) continue;
    observer->on_streams(layer, batch.position(row), {streams + row * streams_width(), streams_width()});
  }
  return {};
}

const RouterWeights* Model::guessing_router(uint32_t layer) const {
  if (layer >= parts_.weights.layers.size()) return nullptr;
  const RouterWeights& router = parts_.weights.layers[layer].router;
  return router.table ? nullptr : &router;
}

// What is known of a token's experts at a hash layer before anything is computed: all of them.
void Model::append_certain_experts(const Batch& batch, size_t row, uint32_t layer,
                                   std::vector<uint32_t>& experts) const {
  if (script_ != nullptr) {
    const auto scripted = script_->experts(layer, batch.position(row));
    experts.insert(experts.end(), scripted.begin(), scripted.end());
    if (!scripted.empty()) return;
  }
  const ExpertTable& table = *parts_.weights.layers[layer].router.table;
  for (uint32_t rank = 0; rank < config().num_experts_per_tok; ++rank) {
    experts.push_back(table.expert(static_cast<uint32_t>(batch.id(row)), rank));
  }
}

// Hash layers' experts follow from the ids alone: they are read while the layers before them are computed.
void Model::fetch_certain_experts(const Batch& batch) {
  for (uint32_t layer = 0; layer < parts_.weights.layers.size(); ++layer) {
    if (!parts_.weights.layers[layer].router.table) continue;
    std::vector<uint32_t> experts;
    for (size_t row = 0; row < batch.rows(); ++row) append_certain_experts(batch, row, layer, experts);
    std::ranges::sort(experts);
    experts.erase(std::unique(experts.begin(), experts.end()), experts.end());
    parts_.expert_store->prefetch(layer, experts, Foresight::kCertain, batch.is_sweep());
  }
}

void Model::embed(const Batch& batch, float* streams) const {
  const size_t hidden = config().hidden_size;
  for (size_t row = 0; row < batch.rows(); ++row) {
    float* row_streams = streams + row * streams_width();
    decode_row(parts_.weights.embed, static_cast<uint32_t>(batch.id(row)), row_streams);
    for (uint32_t s = 1; s < config().hc_mult; ++s)
      std::copy_n(row_streams, hidden, row_streams + s * hidden);
  }
}

Result<std::vector<Status>> Model::extend(std::span<const SequenceChunk> chunks, float* streams,
                                          ForwardObserver* parts) {
  Batch batch;
  for (const SequenceChunk& chunk : chunks) {
    SLUICE_TRY(check_chunk(*chunk.state, chunk.ids));
    batch.add({chunk.ids, chunk.state->position(), chunk.observer, chunk.cancel});
  }
  SLUICE_TRY(check_rows(batch.rows()));
  fetch_certain_experts(batch);
  embed(batch, streams);
  std::vector<LayerState*> states(chunks.size());
  for (uint32_t layer = 0; layer < parts_.weights.layers.size(); ++layer) {
    batch.fail_cancelled();
    if (batch.all_failed()) break;
    std::ranges::transform(chunks, states.begin(),
                           [&](const SequenceChunk& chunk) { return &chunk.state->layer(layer); });
    SLUICE_TRY(run_layer(parts_.weights.layers[layer], layer, batch, states, streams, parts));
    for (size_t i = 0; i < chunks.size(); ++i)
      if (chunks[i].on_layer && !batch.has_failed(i)) chunks[i].on_layer(layer + 1);
  }
  std::vector<Status> results;
  for (size_t i = 0; i < chunks.size(); ++i) {
    results.push_back(batch.status(i));
    if (results.back()) chunks[i].state->advance(chunks[i].ids.size());
  }
  if (batch.is_sweep() && !batch.all_failed())
    swept_.teach(*parts_.expert_store, parts_.weights.layers.size());
  return results;
}

Status Model::extend(const SequenceChunk& chunk, float* streams) {
  SLUICE_ASSIGN(const auto results, extend(std::span(&chunk, 1), streams, chunk.observer));
  return results.front();
}

void Model::head_logits(const HeadWeights& head, const float* streams, size_t count, float* logits) {
  const Workspace::Scope scope(workspace_);
  const size_t hidden = config().hidden_size;
  float* x = workspace_.floats(count * hidden);
  hc_head(context(nullptr), head.hc_head, streams, count, x);
  for (size_t t = 0; t < count; ++t) {
    rms_norm(x + t * hidden, head.norm.data(), static_cast<float>(config().rms_norm_eps), hidden,
             x + t * hidden);
  }
  matmul(*parts_.pool, parts_.weights.head, x, count, logits);
}

void Model::logits(const float* streams, size_t count, float* logits) {
  head_logits(parts_.weights.output, streams, count, logits);
}

Status Model::extend_mtp(SequenceState& mtp_state, const float* streams, std::span<const int32_t> next_ids,
                         float* mtp_streams) {
  SLUICE_TRY(check_chunk(mtp_state, next_ids));
  const MtpWeights& mtp = parts_.weights.mtp.front();
  const Workspace::Scope scope(workspace_);
  const size_t hidden = config().hidden_size;
  const size_t hc = config().hc_mult;
  const auto eps = static_cast<float>(config().rms_norm_eps);
  float* embedding = workspace_.floats(next_ids.size() * hidden);
  float* projected = workspace_.floats(next_ids.size() * hidden);
  for (size_t t = 0; t < next_ids.size(); ++t) {
    float* row = embedding + t * hidden;
    decode_row(parts_.weights.embed, static_cast<uint32_t>(next_ids[t]), row);
    rms_norm(row, mtp.enorm.data(), eps, hidden, row);
  }
  matmul(*parts_.pool, mtp.e_proj, embedding, next_ids.size(), projected);
  float* normed = workspace_.floats(next_ids.size() * hc * hidden);
  for (size_t i = 0; i < next_ids.size() * hc; ++i) {
    rms_norm(streams + i * hidden, mtp.hnorm.data(), eps, hidden, normed + i * hidden);
  }
  matmul(*parts_.pool, mtp.h_proj, normed, next_ids.size() * hc, mtp_streams);
  for (size_t i = 0; i < next_ids.size() * hc; ++i) {
    add_scaled(1.0F, projected + i / hc * hidden, hidden, mtp_streams + i * hidden);
  }
  Batch batch({next_ids, mtp_state.position()});
  LayerState* const state = &mtp_state.layer(0);
  const auto layer = static_cast<uint32_t>(parts_.weights.layers.size());
  SLUICE_TRY(run_layer(mtp.layer, layer, batch, {&state, 1}, mtp_streams, nullptr));
  SLUICE_TRY(batch.status(0));
  mtp_state.advance(next_ids.size());
  return {};
}

void Model::mtp_logits(const float* mtp_streams, size_t count, float* logits) {
  head_logits(parts_.weights.mtp.front().head, mtp_streams, count, logits);
}

}  // namespace sluice
