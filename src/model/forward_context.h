// What every sublayer of a forward pass shares.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "model/batch.h"
#include "model/route_script.h"
#include "model/workspace.h"
#include "sluice/numerics.h"

namespace sluice {

class Activations;
struct WeightMatrix;

// What a pass spends its time on, in a layer.
enum class PassPart {
  kAttention,  // with the hyper-connection around it
  kRouting,    // the router, and the next one's guess
  kSharedExpert,
  kWaiting,  // for an expert to arrive
  kExpert,   // routed experts that were there together
  kMixing,   // summing the experts, and the hyper-connection around them
};
inline constexpr size_t kPassParts = 6;

// Looks into a forward pass: for `verify`, routing traces and tests. Called on the thread that runs the pass,
// once per token and layer; the spans end with the call. It changes nothing, but for what it revises.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // What the router chose by, for every expert of the layer: its score with the bias added, higher is chosen
  // sooner. Before on_experts of the same token and layer; not for hash layers, which choose by the token's
  // id.
  virtual void on_scores(uint32_t layer, uint64_t position, std::span<const float> scores);
  // May put others in the place of the experts [k] that the router chose by `scores`, which are on_scores';
  // true when it did: weights then follow from the new ones, whose order is that of their outputs' sum.
  // Between on_scores and on_experts. Ids must be below the number of scores.
  virtual bool revise_experts(uint32_t layer, uint64_t position, std::span<const float> scores,
                              std::span<uint32_t> experts);
  // The experts chosen, in the router's order, and their weights. A hash layer may name one twice.
  virtual void on_experts(uint32_t layer, uint64_t position, std::span<const uint32_t> experts,
                          std::span<const float> weights);
  // May put others in the place of the blocks, ascending, that the indexer of a ratio-4 layer chose by
  // `scores` [visible blocks]; what it leaves must be ascending. Not called where all are visible anyway.
  // Before on_index of the same token and layer.
  virtual void revise_blocks(uint32_t layer, uint64_t position, std::span<const float> scores,
                             std::span<uint32_t> blocks);
  // The blocks that a ratio-4 layer attends to, ascending.
  virtual void on_index(uint32_t layer, uint64_t position, std::span<const uint32_t> blocks);
  // The attention sublayer's output [D], before it is mixed into the streams.
  virtual void on_attention(uint32_t layer, uint64_t position, std::span<const float> output);
  // The residual streams [hc, D] after the layer.
  virtual void on_streams(uint32_t layer, uint64_t position, std::span<const float> streams);
  // A part of a pass has ended. Waits and experts take turns.
  virtual void on_part(PassPart part, uint32_t layer, std::chrono::steady_clock::time_point begin,
                       std::chrono::steady_clock::time_point end);
};

struct ForwardContext {
  const ModelConfig& config;
  ThreadPool& pool;
  Workspace& workspace;
  ForwardObserver* observer;            // of the pass's parts; may be null
  const RouteScript* script = nullptr;  // may be null: the routers decide
  Numerics numerics = Numerics::kExact;
  bool gathers_experts = false;  // see Model::gather_experts
};

// What products with `weights` take of x [tokens, cols]; in the workspace, until the scope around the call
// ends, as far as they need room.
Activations activations(const ForwardContext& context, const WeightMatrix& weights, const float* x,
                        size_t tokens, size_t cols);

// The same in exact numerics, for weights that take no others; x [tokens, weights.cols].
Activations exact_activations(const ForwardContext& context, const WeightMatrix& weights, const float* x,
                              size_t tokens);

// y [tokens, weights.rows] from x [tokens, weights.cols].
void multiply(const ForwardContext& context, const WeightMatrix& weights, const float* x, size_t tokens,
              float* y);

// Tells the observer, if there is one, how long a part of a pass took: from here to the end of the scope.
class PartTimer {
 public:
  PartTimer(const ForwardContext& context, PassPart part, uint32_t layer)
      : observer_(context.observer), part_(part), layer_(layer) {
    if (observer_ != nullptr) begin_ = std::chrono::steady_clock::now();
  }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;
  ~PartTimer() {
    if (observer_ != nullptr) observer_->on_part(part_, layer_, begin_, std::chrono::steady_clock::now());
  }

 private:
  ForwardObserver* observer_;
  PassPart part_;
  uint32_t layer_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace sluice
