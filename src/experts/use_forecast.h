// What it is worth to keep each expert, learned from the routes as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "experts/routing_history.h"
#include "experts/use_model.h"

namespace sluice {

// For every expert, how probable it is that the next visit to its layer asks for it, from how often it was
// asked for, and from what past tokens like the present one asked for. A layer is looked at again when it
// was just visited, when half a token is left until its next visit, and when it is next: there is one model
// for each of these leads, and each is told later what came of it. Knows nothing of slots.
// Not thread safe. One route costs O(leads × experts of a layer).
class UseForecast {
 public:
  // Both >= 1; experts_per_layer <= 65536.
  UseForecast(uint32_t layers, uint32_t experts_per_layer);

  // The next token was routed to `experts` of `layer`, or the same token further on: layers ascend within a
  // token. Experts are the catalog's indices.
  void on_route(uint32_t layer, std::span<const uint32_t> experts);

  // Uses to be expected of the expert at its layer's next visit, with a little of those at the three visits
  // after it and of its long-term frequency; comparable within a layer.
  float worth(uint32_t expert) const { return worth_[expert]; }
  // Of the layer's next visit, in layers from the one that was routed last: 1 ... layers.
  uint32_t layers_until(uint32_t layer) const;
  // The layers with experts whose worth the last on_route changed.
  std::span<const uint32_t> changed_layers() const { return changed_layers_; }

 private:
  struct Counts {
    float short_term = 0;
    float long_term = 0;
  };
  struct Lead {
    uint32_t layers;  // how far ahead
    UseModel model;
    std::vector<float> votes_of_token;  // [experts], UseModel's input as it stood this far ahead
    std::vector<float> votes_of_topic;  // [experts]
    std::vector<float> foretold;        // [experts], the model's probability then
    std::vector<uint8_t> awaits_visit;  // [layers]: 1 where the above is to be learned from
  };

  // REQUIRE that numbers_ and is_asked_for_ are those of the present route.
  void learn(uint32_t layer, Lead& lead);
  void count(uint32_t layer);
  void remember(uint32_t layer);

  void look_at(uint32_t layer, Lead& lead);
  void add_later_votes(uint32_t layer);
  void take_votes(uint32_t layer, size_t range, std::vector<float>& into);
  // Of all experts of a layer.
  UseModel::Inputs inputs(const Lead& lead, uint32_t layer) const;
  // The share of a layer's experts that a route asks for, over all routes so far.
  float average() const;
  // Of visits; what was seen little is taken for average.
  float share(float uses, float visits) const;

  uint32_t layers_;
  uint32_t experts_per_layer_;
  uint64_t routes_ = 0;
  uint64_t routed_experts_ = 0;      // summed over all routes
  uint32_t last_layer_ = 0;          // that was routed
  std::vector<Counts> visits_;       // [layers], forgotten like uses
  std::vector<Counts> uses_;         // [experts]
  std::vector<float> often_lately_;  // [experts], UseModel's inputs as of the last visit
  std::vector<float> often_;         // [experts]
  std::vector<float> share_;         // [experts], of visits that asked for it, in the long term
  std::vector<float> was_used_;      // [experts], by the last visit
  std::vector<float> worth_;         // [experts]
  std::vector<uint32_t> changed_layers_;
  std::vector<uint32_t> numbers_;    // [experts of the route], within the layer
  std::vector<float> is_asked_for_;  // [experts_per_layer], by the route: 1, else 0
  std::vector<float> rarity_;        // [experts of a route], scratch
  std::vector<float> votes_;         // [experts_per_layer], scratch
  RoutingHistory history_;
  std::vector<Lead> leads_;  // from a whole token down to one layer
};

}  // namespace sluice
