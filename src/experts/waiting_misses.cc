#include "experts/waiting_misses.h"

namespace sluice {

void WaitingMisses::add(uint32_t expert, Waiter waiter, bool for_sweep) {
  const auto [found, is_new] = by_expert_.try_emplace(expert);
  if (is_new) found->second = misses_.insert(misses_.end(), Miss{expert, for_sweep, {}});
  found->second->waiters.push_back(waiter);
  found->second->for_sweep &= for_sweep;
}

void WaitingMisses::forget(const RequestCore& request, uint32_t expert) {
  const auto found = by_expert_.find(expert);
  if (found == by_expert_.end()) return;
  std::erase_if(found->second->waiters, [&](const Waiter& waiter) { return waiter.request == &request; });
  if (!found->second->waiters.empty()) return;
  misses_.erase(found->second);
  by_expert_.erase(found);
}

}  // namespace sluice
