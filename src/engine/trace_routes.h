// A recorded trace as the routing of a run: real models' habits on weights that are not theirs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/config.h"
#include "experts/trace.h"
#include "model/route_script.h"

namespace sluice {

// Position p is routed as the trace's token p; beyond the trace's end, and where it leaves a layer out, the
// router decides. Layers beyond the model's are left out, and of each route all but the strongest experts
// that the model has a place for.
class TraceRoutes final : public RouteScript {
 public:
  // kInvalidArgument when the trace has fewer layers or fewer experts per token than the model, or more
  // experts.
  static Result<TraceRoutes> create(const Trace& trace, const ModelConfig& config);

  std::span<const uint32_t> experts(uint32_t layer, uint64_t position) const override;

  uint64_t tokens() const { return routes_.size() / layers_ / k_; }
  uint64_t prompt_tokens() const { return prompt_tokens_; }

 private:
  TraceRoutes(const Trace& trace, const ModelConfig& config);

  uint32_t layers_;
  uint32_t k_;
  uint64_t prompt_tokens_ = 0;
  std::vector<uint32_t> routes_;  // [tokens, layers, k]; kNone where the trace says nothing
};

}  // namespace sluice
