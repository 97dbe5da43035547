#include "server/session_pool.h"

#include <algorithm>

namespace sluice {

uint64_t reusable_tokens(std::span<const int32_t> held, std::span<const int32_t> context) {
  if (held.size() >= context.size()) return 0;
  return std::equal(held.begin(), held.end(), context.begin()) ? held.size() : 0;
}

Result<GenerationResult> SessionPool::generate(const GenerationRequest& request) {
  SLUICE_ASSIGN(Kept * kept, choose(request.context_ids));
  kept->last_use = ++uses_;
  auto result = kept->session.generate(request);
  // What a session holds is a prefix of what it was given and what it made; after an error, nothing, or (for
  // a request that was refused) what it had.
  if (result) {
    kept->ids = request.context_ids;
    kept->ids.insert(kept->ids.end(), result->ids.begin(), result->ids.end());
  }
  kept->ids.resize(std::min<uint64_t>(kept->ids.size(), kept->session.tokens_held()));
  return result;
}

Result<SessionPool::Kept*> SessionPool::choose(std::span<const int32_t> context) {
  Kept* best = nullptr;
  uint64_t most = 0;
  for (Kept& kept : kept_) {
    const uint64_t saved = reusable_tokens(kept.ids, context);
    if (saved <= most) continue;
    most = saved;
    best = &kept;
  }
  if (best != nullptr) return best;
  const auto empty = std::ranges::find_if(kept_, [](const Kept& kept) { return kept.ids.empty(); });
  if (empty != kept_.end()) return &*empty;
  if (kept_.size() < capacity_) {
    SLUICE_ASSIGN(Session session, engine_.new_session());
    kept_.push_back({std::move(session), {}, 0});
    return &kept_.back();
  }
  return &*std::ranges::min_element(kept_, {}, &Kept::last_use);
}

}  // namespace sluice
