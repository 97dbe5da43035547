// Routing that was decided elsewhere: to measure streaming with a real model's routing where its weights are
// not at hand.
#pragma once

#include <cstdint>
#include <span>

namespace sluice {

// Used by the thread that runs the passes.
class RouteScript {
 public:
  virtual ~RouteScript() = default;

  // The experts of the token at `position`, [k] of them below n_routed_experts, by rank; none when the router
  // is to decide. Routers run all the same, and their weights are used, in their order.
  virtual std::span<const uint32_t> experts(uint32_t layer, uint64_t position) const = 0;
};

}  // namespace sluice
