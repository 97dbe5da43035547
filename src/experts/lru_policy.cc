#include "experts/lru_policy.h"

namespace sluice {

void LruPolicy::on_insert(uint32_t expert) {
  last_use_[expert] = ++clock_;
}

void LruPolicy::on_hit(uint32_t expert) {
  const bool was_unpinned = unpinned_.erase({last_use_[expert], expert}) > 0;
  last_use_[expert] = ++clock_;
  if (was_unpinned) unpinned_.emplace(last_use_[expert], expert);
}

void LruPolicy::on_pin(uint32_t expert) {
  unpinned_.erase({last_use_[expert], expert});
}

void LruPolicy::on_unpin(uint32_t expert) {
  unpinned_.emplace(last_use_[expert], expert);
}

void LruPolicy::on_evict(uint32_t expert) {
  unpinned_.erase({last_use_[expert], expert});
}

std::optional<uint32_t> LruPolicy::victim() const {
  if (unpinned_.empty()) return std::nullopt;
  return unpinned_.begin()->second;
}

}  // namespace sluice
