#include "server/session_pool.h"

#include <algorithm>
#include <cassert>

namespace sluice {

uint64_t reusable_tokens(std::span<const int32_t> held, std::span<const int32_t> context) {
  if (held.size() >= context.size()) return 0;
  return std::equal(held.begin(), held.end(), context.begin()) ? held.size() : 0;
}

Result<Session*> SessionPool::lend(std::span<const int32_t> context) {
  SLUICE_ASSIGN(Kept * kept, choose(context));
  kept->last_use = ++uses_;
  kept->is_lent = true;
  return &kept->session;
}

void SessionPool::give_back(const Session* session) {
  const auto kept = std::ranges::find_if(kept_, [&](const auto& one) { return &one->session == session; });
  assert(kept != kept_.end() && (*kept)->is_lent);
  (*kept)->is_lent = false;
}

Result<SessionPool::Kept*> SessionPool::choose(std::span<const int32_t> context) {
  Kept* best = nullptr;
  uint64_t most = 0;
  Kept* empty = nullptr;
  Kept* oldest = nullptr;
  for (const auto& kept : kept_) {
    if (kept->is_lent) continue;
    if (kept->session.tokens_held() == 0) empty = kept.get();
    if (oldest == nullptr || kept->last_use < oldest->last_use) oldest = kept.get();
    const uint64_t saved = reusable_tokens(kept->session.ids_held(), context);
    if (saved <= most) continue;
    most = saved;
    best = kept.get();
  }
  if (best != nullptr) return best;
  if (empty != nullptr) return empty;
  if (kept_.size() < capacity_) {
    SLUICE_ASSIGN(Session session, engine_.new_session());
    kept_.push_back(std::make_unique<Kept>(Kept{std::move(session)}));
    return kept_.back().get();
  }
  assert(oldest != nullptr);
  return oldest;
}

}  // namespace sluice
