// The bound: a policy that knows the future and drops the expert that is needed furthest from now.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "experts/eviction_policy.h"

namespace sluice {

// For replays only. No policy with as many slots hits more often (Belady 1966). Every call is O(log n).
class BeladyPolicy final : public EvictionPolicy {
 public:
  // `uses`: every use that will ever be reported, on_hit or on_insert, in this order; experts < expert_count.
  BeladyPolicy(uint32_t expert_count, std::span<const uint32_t> uses);

  void on_insert(uint32_t expert) override;
  void on_hit(uint32_t expert) override;
  void on_pin(uint32_t expert) override;
  void on_unpin(uint32_t expert) override;
  void on_evict(uint32_t expert) override;
  std::optional<uint32_t> victim() const override;

 private:
  size_t now_ = 0;                                  // uses that were reported
  std::vector<size_t> next_use_after_;              // [uses], uses.size() for never again
  std::vector<size_t> next_use_;                    // [experts], as of their last use
  std::set<std::pair<size_t, uint32_t>> unpinned_;  // (next use, expert)
};

}  // namespace sluice
