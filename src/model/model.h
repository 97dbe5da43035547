// DeepSeek-V4: tokens in, residual streams and logits out (deepseek-v4.md, Forward pass).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "experts/expert_store.h"
#include "kernels/rope.h"
#include "kv/sequence_state.h"
#include "model/bind_weights.h"
#include "model/forward_context.h"
#include "model/swept_routes.h"
#include "model/weights.h"
#include "model/workspace.h"
#include "sluice/numerics.h"

namespace sluice {

// What a model is made of. Everything it refers to must outlive it.
struct ModelParts {
  ModelConfig config;
  ModelWeights weights;
  const ExpertStorage* expert_storage = nullptr;
  ExpertStore* expert_store = nullptr;
  ThreadPool* pool = nullptr;
  Numerics numerics = Numerics::kExact;
  RowFormat row_format = RowFormat::kF32;  // of the states that state_shape() describes
};

// One sequence's share of a pass.
struct SequenceChunk {
  SequenceState* state = nullptr;
  std::span<const int32_t> ids;         // that it takes in, at its end
  ForwardObserver* observer = nullptr;  // of these tokens; may be null
  std::stop_token cancel = {};          // looked at before every layer, and while its experts arrive
  // After every layer, on the thread that runs the pass, while the chunk has not failed; may be empty.
  std::function<void(size_t layers_done)> on_layer = {};
};

// Runs one pass at a time, of one sequence or several: not thread safe, not reentrant. Sequences are
// independent of each other. The bits of a result depend on the weights, the numerics and the ids of its
// sequence alone: not on how the ids were cut into chunks, on the other sequences of a pass, on threads, or
// on how the experts came to memory.
class Model {
 public:
  // `max_chunk_tokens`, of all sequences of a pass together, bounds every call and sizes the workspace.
  static Result<Model> create(ModelParts parts, size_t max_chunk_tokens);

  const ModelConfig& config() const { return parts_.config; }
  Numerics numerics() const { return parts_.numerics; }
  // Of passes from now on; not while one runs. REQUIRES those that the model was created with, or exact ones,
  // for which its workspace has room as well: they take no more than a few tokens' scratch memory.
  void use(Numerics numerics) { parts_.numerics = numerics; }
  RowFormat row_format() const { return parts_.row_format; }
  size_t max_chunk_tokens() const { return max_chunk_tokens_; }
  size_t streams_width() const { return size_t{config().hc_mult} * config().hidden_size; }

  // What a sequence keeps of each layer; of the first MTP layer.
  static std::vector<LayerStateShape> state_shape(const ModelConfig& config, RowFormat format);
  static std::vector<LayerStateShape> mtp_state_shape(const ModelConfig& config, RowFormat format);
  std::vector<LayerStateShape> state_shape() const { return state_shape(config(), row_format()); }
  std::vector<LayerStateShape> mtp_state_shape() const { return mtp_state_shape(config(), row_format()); }
  // Upper bound of the scratch memory of a forward pass, on this machine.
  static uint64_t workspace_bytes(const ModelConfig& config, size_t max_chunk_tokens, Numerics numerics);
  // And of what every thread of the pool keeps besides (Activations::thread_bytes).
  static uint64_t thread_bytes(const ModelConfig& config, Numerics numerics);

  // One pass over the layers for all `chunks`, of different sequences: streams [ids of all, hc, D] of the
  // last layer, chunk after chunk. Every layer's weights, and the union of its experts, are gone through
  // once. A result for each chunk: kIo when an expert that it needed could not be read, kCancelled; its state
  // is then half written: clear() it, or resume() at its former position with the changing bytes of then. The
  // others' bits are not touched by it; the pass ends when nobody is left. An error of the whole, before
  // anything happens: kInvalidArgument for an id outside the vocabulary, or none or too many of them;
  // kOutOfBudget when a context is full. `parts` is told of the pass's parts; may be null.
  Result<std::vector<Status>> extend(std::span<const SequenceChunk> chunks, float* streams,
                                     ForwardObserver* parts = nullptr);

  // The same for one sequence, whose observer is told of the parts too: `ids` [1 ... max_chunk_tokens],
  // streams [ids, hc, D]. kInvalidArgument for an id outside the vocabulary, kOutOfBudget when the context is
  // full (both before anything happens); kIo when an expert could not be read, kCancelled: the state is then
  // half written, see above.
  Status extend(const SequenceChunk& chunk, float* streams);
  Status extend(SequenceState& state, std::span<const int32_t> ids, float* streams,
                ForwardObserver* observer = nullptr) {
    return extend({&state, ids, observer}, streams);
  }

  // From now on `script`, which must outlive its use, says which experts are used; null: the routers do.
  void follow(const RouteScript* script) { script_ = script; }
  // Whether a layer's experts are computed when all of them are there, instead of as they arrive: to
  // measure what the latter is worth. Sweeps, and stores with too few slots to hold a layer's experts, are as
  // ever.
  void gather_experts(bool gathers) { gathers_experts_ = gathers; }

  // logits [count, V] of the tokens after those whose streams [count, hc, D] are given.
  void logits(const float* streams, size_t count, float* logits);

  // Multi-token prediction: from the streams of tokens at the MTP state's next positions and the ids that
  // follow each of them, mtp_streams [ids, hc, D] of the MTP layer. Errors as extend(). REQUIRES
  // num_nextn_predict_layers > 0.
  Status extend_mtp(SequenceState& mtp_state, const float* streams, std::span<const int32_t> next_ids,
                    float* mtp_streams);
  // Logits of the token after `next_ids`.
  void mtp_logits(const float* mtp_streams, size_t count, float* logits);

 private:
  Model(ModelParts parts, Workspace workspace, size_t max_chunk_tokens);

  Status check_rows(size_t tokens) const;
  Status check_chunk(const SequenceState& state, std::span<const int32_t> ids) const;
  void fetch_certain_experts(const Batch& batch);
  void append_certain_experts(const Batch& batch, size_t row, uint32_t layer,
                              std::vector<uint32_t>& experts) const;
  void embed(const Batch& batch, float* streams) const;
  // The layer's router, if there is one that can be run ahead.
  const RouterWeights* guessing_router(uint32_t layer) const;
  // `states` [chunks]: of this layer. Errors of expert_block.
  Status run_layer(const LayerWeights& weights, uint32_t layer, Batch& batch,
                   std::span<LayerState* const> states, float* streams, ForwardObserver* parts);
  void head_logits(const HeadWeights& head, const float* streams, size_t count, float* logits);
  const Rope& rope_of(const LayerState& state) const {
    return state.compressor ? compressed_rope_ : window_rope_;
  }
  ForwardContext context(ForwardObserver* parts);

  ModelParts parts_;
  Workspace workspace_;
  size_t max_chunk_tokens_;
  const RouteScript* script_ = nullptr;
  bool gathers_experts_ = false;
  SweptRoutes swept_;
  Rope window_rope_;      // layers that see the window only
  Rope compressed_rope_;  // layers with a compressor
};

}  // namespace sluice
