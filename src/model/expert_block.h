// The expert sublayer: route, ask for the experts, compute those that are there together, sum in the router's
// order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "experts/expert_store.h"
#include "model/bind_weights.h"
#include "model/forward_context.h"
#include "model/swept_routes.h"
#include "model/weights.h"

namespace sluice {

// How far guesses reach. The layer after the next is guessed less well, and only read when nothing nearer is
// missing: so that a disk that is the bottleneck never pauses.
inline constexpr size_t kLayersAhead = 2;

// The routed experts of a model: how they are stored, and who holds their bytes.
struct RoutedExperts {
  const ExpertStorage& storage;
  ExpertStore& store;
  // Of the next layers, where they score experts: run ahead, on this layer's input, they guess what those
  // layers will ask for. The nearest first; null where a layer is none of that kind.
  std::array<const RouterWeights*, kLayersAhead> next_routers{};
  SweptRoutes* swept = nullptr;  // where the routes of sweeps go; null for layers that are not learnt from
};

// y [rows, D] from the normalised input x [rows, D]: sum of weight * expert over the router's choice, plus
// the shared expert. `layer` counts the MTP layers after the ordinary ones. The union of the rows' experts is
// asked for once. An expert that could not be read fails the chunks that needed it, with an error that names
// layer and expert; rows of chunks that have failed get the shared expert alone. An error of its own: nothing
// could be asked for.
Status expert_block(const ForwardContext& context, const RoutedExperts& experts, const LayerWeights& weights,
                    uint32_t layer, const float* x, Batch& batch, float* y);

}  // namespace sluice
