#include "model/forward_context.h"

#include "kernels/activations.h"

namespace sluice {

void ForwardObserver::on_scores(uint32_t, uint64_t, std::span<const float>) {}
bool ForwardObserver::revise_experts(uint32_t, uint64_t, std::span<const float>, std::span<uint32_t>) {
  return false;
}
void ForwardObserver::on_experts(uint32_t, uint64_t, std::span<const uint32_t>, std::span<const float>) {}
void ForwardObserver::revise_blocks(uint32_t, uint64_t, std::span<const float>, std::span<uint32_t>) {}
void ForwardObserver::on_index(uint32_t, uint64_t, std::span<const uint32_t>) {}
void ForwardObserver::on_attention(uint32_t, uint64_t, std::span<const float>) {}
void ForwardObserver::on_streams(uint32_t, uint64_t, std::span<const float>) {}
void ForwardObserver::on_part(PassPart, uint32_t, std::chrono::steady_clock::time_point,
                              std::chrono::steady_clock::time_point) {}

namespace {

Activations activations_of(const ForwardContext& context, Numerics numerics, WeightFormat format,
                           const float* x, size_t tokens, size_t cols) {
  const size_t scratch_floats = Activations::scratch_floats(numerics, format, tokens, cols);
  return {context.pool, numerics, format, x, tokens, cols, context.workspace.floats(scratch_floats)};
}

}  // namespace

Activations activations(const ForwardContext& context, const WeightMatrix& weights, const float* x,
                        size_t tokens, size_t cols) {
  return activations_of(context, context.numerics, weights.format, x, tokens, cols);
}

Activations exact_activations(const ForwardContext& context, const WeightMatrix& weights, const float* x,
                              size_t tokens) {
  return activations_of(context, Numerics::kExact, weights.format, x, tokens, weights.cols);
}

void multiply(const ForwardContext& context, const WeightMatrix& weights, const float* x, size_t tokens,
              float* y) {
  const Workspace::Scope scope(context.workspace);
  multiply(context.pool, activations(context, weights, x, tokens, weights.cols), weights, y);
}

}  // namespace sluice
