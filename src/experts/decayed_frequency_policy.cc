#include "experts/decayed_frequency_policy.h"

namespace sluice {
namespace {

constexpr uint64_t kTokensPerHalving = 16;

}  // namespace

DecayedFrequencyPolicy::Warmth DecayedFrequencyPolicy::warmth(uint32_t expert) const {
  const Use& use = uses_[expert];
  return {use.route == routes_ && routes_ > 0, use.count, use.last, expert};
}

template <class Change>
void DecayedFrequencyPolicy::update(uint32_t expert, Change change) {
  if (uses_[expert].is_unpinned) unpinned_.erase(warmth(expert));
  change(uses_[expert]);
  if (uses_[expert].is_unpinned) unpinned_.insert(warmth(expert));
}

void DecayedFrequencyPolicy::begin_token() {
  if (++tokens_ % kTokensPerHalving != 0) return;
  unpinned_.clear();
  for (uint32_t expert = 0; expert < uses_.size(); ++expert) {
    uses_[expert].count /= 2;
    if (uses_[expert].is_unpinned) unpinned_.insert(warmth(expert));
  }
}

void DecayedFrequencyPolicy::on_route(uint32_t layer, std::span<const uint32_t> experts) {
  if (routes_ == 0 || layer <= last_layer_) begin_token();
  last_layer_ = layer;
  // The last route's experts lose their standing before routes_ moves on: warmth() hangs on it.
  for (const uint32_t expert : routed_) update(expert, [](Use& use) { use.route = 0; });
  ++routes_;
  routed_.assign(experts.begin(), experts.end());
  for (const uint32_t expert : experts) {
    update(expert, [this](Use& use) {
      use.route = routes_;
      ++use.count;
    });
  }
}

void DecayedFrequencyPolicy::on_insert(uint32_t expert) {
  update(expert, [this](Use& use) {
    use.is_unpinned = false;
    use.last = ++clock_;
  });
}

void DecayedFrequencyPolicy::on_hit(uint32_t expert) {
  update(expert, [this](Use& use) { use.last = ++clock_; });
}

void DecayedFrequencyPolicy::on_pin(uint32_t expert) {
  update(expert, [](Use& use) { use.is_unpinned = false; });
}

void DecayedFrequencyPolicy::on_unpin(uint32_t expert) {
  update(expert, [](Use& use) { use.is_unpinned = true; });
}

void DecayedFrequencyPolicy::on_evict(uint32_t expert) {
  update(expert, [](Use& use) { use.is_unpinned = false; });
}

std::optional<uint32_t> DecayedFrequencyPolicy::victim() const {
  if (unpinned_.empty()) return std::nullopt;
  return std::get<3>(*unpinned_.begin());
}

bool DecayedFrequencyPolicy::gives_way(uint32_t victim, uint32_t guess) const {
  return uses_[victim].count <= uses_[guess].count + 1;
}

}  // namespace sluice
