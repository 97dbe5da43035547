// What the last tokens of a chunk were routed to, for the expert store to learn from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "experts/expert_store.h"
#include "model/router.h"

namespace sluice {

// A chunk goes through the layers one by one, all of its tokens together; what is kept warm is decided token
// by token. This turns the one order into the other. Not thread safe.
class SweptRoutes {
 public:
  // The future resembles the last tokens; older ones would only cost time.
  static constexpr size_t kTokens = 64;

  SweptRoutes(size_t layers, size_t experts_per_token)
      : k_(experts_per_token), routes_(layers * kTokens * experts_per_token) {}

  // A layer's routing of a chunk of `tokens`.
  void record(uint32_t layer, const Routing& routing, size_t tokens);
  // Tells the store of the chunk, after its last layer.
  void teach(ExpertStore& store, size_t layers) const;

 private:
  size_t k_;
  size_t tokens_ = 0;             // of the chunk, that are kept
  std::vector<uint32_t> routes_;  // [layers, kTokens, k]
};

}  // namespace sluice
