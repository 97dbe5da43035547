// Least recently used: drops the expert that was asked for longest ago.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "experts/eviction_policy.h"

namespace sluice {

// "Used" is when an expert was asked for, not when it was let go: which experts stay does not hang on who
// finished first. Every call is O(log n).
class LruPolicy final : public EvictionPolicy {
 public:
  explicit LruPolicy(uint32_t expert_count) : last_use_(expert_count, 0) {}

  void on_insert(uint32_t expert) override;
  void on_hit(uint32_t expert) override;
  void on_pin(uint32_t expert) override;
  void on_unpin(uint32_t expert) override;
  void on_evict(uint32_t expert) override;
  std::optional<uint32_t> victim() const override;

 private:
  uint64_t clock_ = 0;                                // ticks once a use
  std::vector<uint64_t> last_use_;                    // [experts]
  std::set<std::pair<uint64_t, uint32_t>> unpinned_;  // (last use, expert)
};

}  // namespace sluice
