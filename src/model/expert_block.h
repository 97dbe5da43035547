// The expert sublayer: route, ask for the experts, compute each as it arrives, sum in the router's order.
#pragma once

#include <cstdint>

#include "experts/expert_store.h"
#include "model/bind_weights.h"
#include "model/forward_context.h"
#include "model/swept_routes.h"
#include "model/weights.h"

namespace sluice {

// The routed experts of a model: how they are stored, and who holds their bytes.
struct RoutedExperts {
  const ExpertStorage& storage;
  ExpertStore& store;
  // Of the next layer, where that is known and scores experts: run ahead, on this layer's input, it guesses
  // what that layer will ask for. May be null.
  const RouterWeights* next_router = nullptr;
  SweptRoutes* swept = nullptr;  // where the routes of chunks go; null for layers that are not learnt from
};

// y [tokens, D] from the normalised input x [tokens, D]: sum of weight * expert over the router's choice,
// plus the shared expert. `layer` counts the MTP layers after the ordinary ones. The error of a read that
// this chunk needed, naming layer and expert; y is then undefined.
Status expert_block(const ForwardContext& context, const RoutedExperts& experts, const LayerWeights& weights,
                    uint32_t layer, const float* x, const Chunk& chunk, float* y);

}  // namespace sluice
