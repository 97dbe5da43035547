// What every sublayer of a forward pass shares.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "model/workspace.h"

namespace sluice {

// Looks into a forward pass: for `verify`, routing traces and tests. Called on the thread that runs the pass,
// once per token and layer; the spans end with the call.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // The experts chosen, in the router's order, and their weights.
  virtual void on_experts(uint32_t layer, uint64_t position, std::span<const uint32_t> experts,
                          std::span<const float> weights);
  // The blocks that a ratio-4 layer attends to, ascending.
  virtual void on_index(uint32_t layer, uint64_t position, std::span<const uint32_t> blocks);
  // The attention sublayer's output [D], before it is mixed into the streams.
  virtual void on_attention(uint32_t layer, uint64_t position, std::span<const float> output);
  // The residual streams [hc, D] after the layer.
  virtual void on_streams(uint32_t layer, uint64_t position, std::span<const float> streams);
};

struct ForwardContext {
  const ModelConfig& config;
  ThreadPool& pool;
  Workspace& workspace;
  ForwardObserver* observer;  // may be null
};

// A chunk of consecutive tokens of one sequence.
struct Chunk {
  std::span<const int32_t> ids;  // [tokens]
  uint64_t first_position = 0;
  size_t tokens() const { return ids.size(); }
};

}  // namespace sluice
