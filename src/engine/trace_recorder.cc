#include "engine/trace_recorder.h"

#include <algorithm>

#include "base/fail.h"

namespace sluice {
namespace {

std::string as_word(std::string_view name) {
  std::string word(name);
  for (char& c : word)
    if (c <= ' ' || c > '~') c = '_';
  return word.empty() ? "model" : word;
}

}  // namespace

Result<TraceRecorder> TraceRecorder::create(const std::filesystem::path& path, std::string_view model,
                                            const ModelConfig& config, uint64_t expert_bytes,
                                            uint64_t prompt_tokens) {
  TraceHeader header;
  header.model = as_word(model);
  header.layers = config.num_hidden_layers;
  header.experts = config.n_routed_experts;
  header.experts_per_token = config.num_experts_per_tok;
  header.expert_bytes = expert_bytes;
  header.has_scores = true;
  SLUICE_TRY(write_trace({header, {}}, path));
  return TraceRecorder(path, std::move(header), prompt_tokens);
}

void TraceRecorder::on_scores(uint32_t layer, uint64_t position, std::span<const float> scores) {
  if (layer >= header_.layers) return;
  routes_[{position, layer}].scores.assign(scores.begin(), scores.end());
}

void TraceRecorder::on_experts(uint32_t layer, uint64_t position, std::span<const uint32_t> experts,
                               std::span<const float> weights) {
  if (layer >= header_.layers) return;
  TraceRoute& route = routes_[{position, layer}];
  route.phase = position < prompt_tokens_ ? TracePhase::kPrefill : TracePhase::kDecode;
  route.layer = layer;
  route.experts.clear();
  route.weights.clear();
  for (size_t rank = 0; rank < experts.size(); ++rank) {
    const auto known = std::ranges::find(route.experts, experts[rank]);
    if (known != route.experts.end()) {
      route.weights[static_cast<size_t>(known - route.experts.begin())] += weights[rank];
      continue;
    }
    route.experts.push_back(experts[rank]);
    route.weights.push_back(weights[rank]);
  }
}

Status TraceRecorder::finish() const {
  Trace trace{header_, {}};
  for (const auto& [place, route] : routes_) {
    if (place.first >= kMaxTraceTokens)
      return fail(ErrorCode::kInvalidArgument, "{}: a trace holds at most {} tokens: record less",
                  path_.string(), kMaxTraceTokens);
    trace.routes.push_back(route);
    trace.routes.back().token = static_cast<uint32_t>(place.first);
  }
  return write_trace(trace, path_);
}

}  // namespace sluice
