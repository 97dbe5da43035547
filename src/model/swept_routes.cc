#include "model/swept_routes.h"

#include <algorithm>
#include <span>

namespace sluice {

void SweptRoutes::record(uint32_t layer, const Routing& routing, size_t tokens) {
  tokens_ = std::min(tokens, kTokens);
  const uint32_t* last = routing.experts + (tokens - tokens_) * k_;
  std::copy_n(last, tokens_ * k_, routes_.begin() + static_cast<ptrdiff_t>(layer * kTokens * k_));
}

void SweptRoutes::teach(ExpertStore& store, size_t layers) const {
  for (size_t token = 0; token < tokens_; ++token) {
    for (uint32_t layer = 0; layer < layers; ++layer) {
      store.learn(layer, std::span(routes_).subspan((layer * kTokens + token) * k_, k_));
    }
  }
}

}  // namespace sluice
