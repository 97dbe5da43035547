#include "experts/belady.h"

#include <cassert>

namespace sluice {

BeladyPolicy::BeladyPolicy(uint32_t expert_count, std::span<const uint32_t> uses)
    : next_use_after_(uses.size()), next_use_(expert_count, uses.size()) {
  for (size_t use = uses.size(); use-- > 0;) {
    next_use_after_[use] = next_use_[uses[use]];
    next_use_[uses[use]] = use;
  }
}

void BeladyPolicy::on_insert(uint32_t expert) {
  assert(now_ < next_use_after_.size() && next_use_[expert] == now_);
  next_use_[expert] = next_use_after_[now_++];
}

void BeladyPolicy::on_hit(uint32_t expert) {
  assert(now_ < next_use_after_.size() && next_use_[expert] == now_);
  const bool was_unpinned = unpinned_.erase({next_use_[expert], expert}) > 0;
  next_use_[expert] = next_use_after_[now_++];
  if (was_unpinned) unpinned_.emplace(next_use_[expert], expert);
}

void BeladyPolicy::on_pin(uint32_t expert) {
  unpinned_.erase({next_use_[expert], expert});
}

void BeladyPolicy::on_unpin(uint32_t expert) {
  unpinned_.emplace(next_use_[expert], expert);
}

void BeladyPolicy::on_evict(uint32_t expert) {
  unpinned_.erase({next_use_[expert], expert});
}

std::optional<uint32_t> BeladyPolicy::victim() const {
  if (unpinned_.empty()) return std::nullopt;
  return unpinned_.rbegin()->second;
}

}  // namespace sluice
