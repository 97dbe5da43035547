// Drops the expert that promises the fewest uses for the time that its slot would be taken.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "experts/eviction_policy.h"
#include "experts/use_forecast.h"

namespace sluice {

// One pool for all layers. Layers are visited in turn, so an expert of a layer that was just passed keeps its
// slot idle for a whole token before it can be of use, one of the next layer for a moment: of two that are
// equally probable, the first is dropped. What the last route asked for is only dropped when nothing else is
// left. Lives on on_route: without it every expert is like any other.
//
// A route costs O(leads × experts of a layer + tokens remembered), a victim O(layers), a change of pins or
// slots at worst O(experts of a layer). Memory: about 70 bytes an expert and 35 KB a layer.
class ForecastPolicy final : public EvictionPolicy {
 public:
  // Both >= 1; experts_per_layer <= 65536.
  ForecastPolicy(uint32_t layers, uint32_t experts_per_layer);

  void on_route(uint32_t layer, std::span<const uint32_t> experts) override;
  void on_insert(uint32_t expert) override;
  void on_hit(uint32_t expert) override;
  void on_pin(uint32_t expert) override;
  void on_unpin(uint32_t expert) override;
  void on_evict(uint32_t expert) override;
  std::optional<uint32_t> victim() const override;
  bool gives_way(uint32_t victim, uint32_t guess) const override;

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

  float per_token(uint32_t expert, float worth) const;
  bool is_before(uint32_t expert, uint32_t other) const;
  void set_unpinned(uint32_t expert, bool is_unpinned);
  void find_least(uint32_t layer);

  uint32_t experts_per_layer_;
  UseForecast forecast_;
  std::vector<uint8_t> is_unpinned_;   // [experts]: has a slot that may be taken
  std::vector<uint8_t> is_routed_;     // [experts]: by the last route
  std::vector<uint32_t> routed_;       // by the last route
  std::vector<uint32_t> least_worth_;  // [layers], among unpinned and not routed ones; kNone
};

}  // namespace sluice
