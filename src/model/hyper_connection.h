// Hyper-connections: several residual streams, mixed into and out of every sublayer (deepseek-v4.md).
#pragma once

#include <cstddef>

#include "model/forward_context.h"
#include "model/weights.h"

namespace sluice {

// How a sublayer's output goes back into the streams, per token.
struct StreamMixing {
  float* post = nullptr;  // [tokens, hc]
  float* comb = nullptr;  // [tokens, hc, hc]: comb[j][s] is what stream s takes from stream j
};

// x [tokens, D] = what the sublayer reads of streams [tokens, hc, D]. The mixing lives in the workspace.
StreamMixing hc_pre(const ForwardContext& context, const HyperConnectionWeights& weights,
                    const float* streams, size_t tokens, float* x);

// streams[s] = post[s] * y + sum over j of comb[j][s] * streams[j], in place; y [tokens, D].
void hc_post(const ForwardContext& context, const StreamMixing& mixing, const float* y, size_t tokens,
             float* streams);

// After the last layer: the weighted sum of the streams alone, x [tokens, D].
void hc_head(const ForwardContext& context, const HyperConnectionWeights& weights, const float* streams,
             size_t tokens, float* x);

}  // namespace sluice
