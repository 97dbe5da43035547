#include "engine/trace_routes.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"

namespace sluice {
namespace {
constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
}  // namespace

Result<TraceRoutes> TraceRoutes::create(const Trace& trace, const ModelConfig& config) {
  const TraceHeader& header = trace.header;
  if (header.layers < config.num_hidden_layers || header.experts > config.n_routed_experts ||
      header.experts_per_token < config.num_experts_per_tok) {
    return fail(ErrorCode::kInvalidArgument,
                "the trace of {} has {} layers and {} of {} experts a token; the model needs {} layers, {} "
                "experts a token, and has only {}",
                header.model, header.layers, header.experts_per_token, header.experts,
                config.num_hidden_layers, config.num_experts_per_tok, config.n_routed_experts);
  }
  return TraceRoutes(trace, config);
}

TraceRoutes::TraceRoutes(const Trace& trace, const ModelConfig& config)
    : layers_(config.num_hidden_layers), k_(config.num_experts_per_tok) {
  const uint64_t tokens = trace.routes.empty() ? 0 : uint64_t{trace.routes.back().token} + 1;
  routes_.assign(tokens * layers_ * k_, kNone);
  for (const TraceRoute& route : trace.routes) {
    if (route.phase == TracePhase::kPrefill) prompt_tokens_ = uint64_t{route.token} + 1;
    if (route.layer >= layers_) continue;
    uint32_t* const experts = routes_.data() + (uint64_t{route.token} * layers_ + route.layer) * k_;
    // A route that names fewer has an expert that counts twice.
    for (uint32_t rank = 0; rank < k_; ++rank) {
      experts[rank] = route.experts[std::min<size_t>(rank, route.experts.size() - 1)];
    }
  }
}

std::span<const uint32_t> TraceRoutes::experts(uint32_t layer, uint64_t position) const {
  if (layer >= layers_ || position >= tokens()) return {};
  const std::span found = std::span(routes_).subspan((position * layers_ + layer) * k_, k_);
  return found.front() == kNone ? std::span<const uint32_t>() : found;
}

}  // namespace sluice
