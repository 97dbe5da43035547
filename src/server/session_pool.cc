#include "server/session_pool.h"

#include <algorithm>
#include <cassert>

namespace sluice {
namespace {

// Tokens that a snapshot must save to be written: fewer are soon computed again.
constexpr uint64_t kLeastWrittenTokens = 256;
// And of a prompt's, at least one in so many: a long conversation with short turns would be written whole at
// each of them otherwise. As it is, all that is written of it is at most nine times what it comes to.
constexpr uint64_t kLeastWrittenShare = 8;
// Tokens that reading a snapshot must save.
constexpr uint64_t kLeastReadTokens = 32;

}  // namespace

SessionPool::~SessionPool() {
  if (store_ == nullptr) return;
  for (const auto& kept : kept_) store_->wait_for(kept->session);
}

Result<Session*> SessionPool::lend(std::span<const int32_t> context) {
  SLUICE_ASSIGN(Kept * kept, choose(context));
  kept->last_use = ++uses_;
  kept->last_time = SnapshotStore::Time::clock::now();
  kept->is_lent = true;
  return &kept->session;
}

void SessionPool::give_back(const Session* session) {
  const auto kept = std::ranges::find_if(kept_, [&](const auto& one) { return &one->session == session; });
  assert(kept != kept_.end() && (*kept)->is_lent);
  (*kept)->is_lent = false;
}

SessionPool::Found SessionPool::best_of(std::span<const int32_t> context) const {
  Found best;
  for (const auto& kept : kept_) {
    if (kept->is_lent) continue;
    const uint64_t saved = kept->session.reusable_tokens(context);
    if (saved > best.tokens) best = {kept.get(), saved};
  }
  return best;
}

bool SessionPool::has_room() const {
  return kept_.size() < capacity_ || std::ranges::any_of(kept_, [](const auto& kept) {
           return !kept->is_lent && kept->session.tokens_held() == 0;
         });
}

Result<SessionPool::Kept*> SessionPool::choose(std::span<const int32_t> context) {
  const Found best = best_of(context);
  const uint64_t least_read_tokens = best.tokens + kLeastReadTokens;
  const bool reads = store_ != nullptr && store_->can_restore(context, least_read_tokens);
  // The same prompt again: nobody misses the answer before.
  const bool is_retried = best.tokens + 1 == context.size();
  const bool forks = best.kept != nullptr && !reads && !best.is_all() && !is_retried && has_room();
  Kept* chosen = best.kept;
  if (chosen == nullptr || forks || (reads && !best.is_all())) {
    SLUICE_ASSIGN(chosen, spare());
    keep(*chosen);
  }
  if (store_ != nullptr) store_->wait_for(chosen->session);
  if (forks) SessionSnapshot::fork(best.kept->session, chosen->session);
  if (reads) store_->restore(chosen->session, context, least_read_tokens);
  return chosen;
}

Result<SessionPool::Kept*> SessionPool::spare() {
  Kept* oldest = nullptr;
  for (const auto& kept : kept_) {
    if (kept->is_lent) continue;
    if (kept->session.tokens_held() == 0) return kept.get();
    if (oldest == nullptr || kept->last_use < oldest->last_use) oldest = kept.get();
  }
  if (kept_.size() < capacity_) {
    SLUICE_ASSIGN(Session session, engine_.new_session());
    kept_.push_back(std::make_unique<Kept>(Kept{std::move(session)}));
    return kept_.back().get();
  }
  assert(oldest != nullptr);
  return oldest;
}

uint64_t SessionPool::shared_beginning(const Session& lent, std::span<const int32_t> context) const {
  uint64_t most = 0;
  for (const auto& kept : kept_) {
    const auto ids = kept->session.ids_held();
    const auto differ = std::ranges::mismatch(ids, context).in1;
    most = std::max(most, static_cast<uint64_t>(differ - ids.begin()));
  }
  return most >= lent.reusable_tokens(context) + kLeastWrittenTokens ? most : 0;
}

void SessionPool::on_prompt(const Session& session) {
  if (store_ == nullptr) return;
  if (auto prompt = SessionSnapshot::of_prompt(session)) {
    const uint64_t share = prompt->ids().size() / kLeastWrittenShare;
    keep(*std::move(prompt), session, SnapshotStore::Time::clock::now(),
         std::max(kLeastWrittenTokens, share));
  }
}

void SessionPool::keep_all() {
  for (const auto& kept : kept_) keep(*kept);
}

// The prompt's end first: it serves more requests than what came after it.
void SessionPool::keep(const Kept& kept) {
  const Session& session = kept.session;
  if (store_ == nullptr || session.tokens_held() < kLeastWrittenTokens) return;
  if (auto prompt = SessionSnapshot::of_prompt(session))
    keep(*std::move(prompt), session, kept.last_time, kLeastWrittenTokens);
  keep(SessionSnapshot::of(session), session, kept.last_time, kLeastWrittenTokens);
}

void SessionPool::keep(SessionSnapshot snapshot, const Session& session, SnapshotStore::Time last_use,
                       uint64_t least_tokens) {
  const auto ids = snapshot.ids();
  if (ids.size() - store_->saved_tokens(ids) >= least_tokens)
    store_->write(std::move(snapshot), session, last_use);
}

}  // namespace sluice
