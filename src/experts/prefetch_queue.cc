#include "experts/prefetch_queue.h"

namespace sluice {
namespace {

// A wasted read costs a read and, often, an expert that was of use; a useful one saves a wait. Below this
// share guessing stops, but for one attempt in kTryEvery, which finds out when the text has become
// predictable again.
constexpr double kLeastUsefulShare = 0.4;
constexpr uint32_t kTryEvery = 16;
constexpr double kForget = 1.0 / 64;  // the share of one outcome in useful_share_

}  // namespace

void PrefetchQueue::add(const Guess& guess) {
  guesses_[static_cast<size_t>(guess.foresight)].push_back(guess);
}

void PrefetchQueue::put_back(const Guess& guess) {
  guesses_[static_cast<size_t>(guess.foresight)].push_front(guess);
}

void PrefetchQueue::forget(Foresight foresight, uint32_t layer) {
  std::erase_if(guesses_[static_cast<size_t>(foresight)],
                [&](const Guess& guess) { return guess.layer == layer; });
}

void PrefetchQueue::expire(uint32_t layer) {
  forget(Foresight::kCertain, layer);
  forget(Foresight::kLikely, layer);
}

void PrefetchQueue::forget_likely(uint32_t layer) {
  forget(Foresight::kLikely, layer);
}

void PrefetchQueue::clear() {
  for (auto& guesses : guesses_) guesses.clear();
}

std::optional<Guess> PrefetchQueue::pop(bool device_is_idle) {
  for (auto& guesses : guesses_) {
    if (!guesses.empty()) {
      const Guess first = guesses.front();
      guesses.pop_front();
      return first;
    }
    if (!device_is_idle) return std::nullopt;
  }
  return std::nullopt;
}

void PrefetchQueue::record(bool was_useful) {
  useful_share_ += kForget * ((was_useful ? 1.0 : 0.0) - useful_share_);
}

bool PrefetchQueue::wants_likely() {
  if (useful_share_ < kLeastUsefulShare && ++asked_in_vain_ < kTryEvery) return false;
  asked_in_vain_ = 0;
  return true;
}

}  // namespace sluice
