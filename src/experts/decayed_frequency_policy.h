// Least often used, lately: drops the expert with the lowest counter, where counters are halved now and then.
#pragma once

#include <cstdint>
#include <set>
#include <tuple>
#include <vector>

#include "experts/eviction_policy.h"

namespace sluice {

// A counter for every expert, whether it has a slot or not: how often it was routed to, halved (rounded down)
// at every 16th token. Ties go by recency. What the last route asked for is only dropped when nothing else is
// left. Every call is O(log n), but for the route that halves: O(n log n).
class DecayedFrequencyPolicy final : public EvictionPolicy {
 public:
  explicit DecayedFrequencyPolicy(uint32_t expert_count) : uses_(expert_count) {}

  void on_route(uint32_t layer, std::span<const uint32_t> experts) override;
  void on_insert(uint32_t expert) override;
  void on_hit(uint32_t expert) override;
  void on_pin(uint32_t expert) override;
  void on_unpin(uint32_t expert) override;
  void on_evict(uint32_t expert) override;
  std::optional<uint32_t> victim() const override;
  // A guess counts as one use.
  bool gives_way(uint32_t victim, uint32_t guess) const override;

 private:
  struct Use {
    bool is_unpinned = false;
    uint32_t count = 0;
    uint64_t route = 0;  // the last one that asked for it
    uint64_t last = 0;   // when it was last asked for
  };
  // Warmest last: what the last route asked for, then by count, then by recency.
  using Warmth = std::tuple<bool, uint32_t, uint64_t, uint32_t>;

  Warmth warmth(uint32_t expert) const;
  void begin_token();
  // Changes an expert's Use and moves it to where it then belongs.
  template <class Change>
  void update(uint32_t expert, Change change);

  uint64_t clock_ = 0;   // ticks once a use
  uint64_t routes_ = 0;  // that were reported
  uint64_t tokens_ = 0;
  uint32_t last_layer_ = 0;
  std::vector<Use> uses_;         // [experts]
  std::vector<uint32_t> routed_;  // by the last route
  std::set<Warmth> unpinned_;
};

}  // namespace sluice
