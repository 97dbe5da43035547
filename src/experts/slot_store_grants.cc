// Who gets which slot: misses first, then what is read ahead. All of it under the store's lock.
#include <cassert>
#include <utility>

#include "experts/slot_store.h"
#include "storage/reader.h"

namespace sluice {
namespace {

// A miss that comes while guesses are being read waits for them: few of them, and more of those that are
// certain.
constexpr size_t kCertainInFlight = 8;
constexpr size_t kGuessesInFlight = 2;

}  // namespace

std::vector<ReadOp> SlotStore::grant_slots() {
  std::vector<ReadOp> reads;
  waiting_.offer([&](Miss& miss) {
    const std::optional<TakenSlot> slot = take_slot(miss.for_sweep);
    if (slot) start_reads(*slot, miss, reads);
    return slot.has_value();
  });
  if (waiting_.empty()) grant_guesses(reads);
  return reads;
}

std::optional<SlotStore::TakenSlot> SlotStore::take_slot(bool for_sweep) {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return TakenSlot{slot, true};
  }
  const bool has_its_share = transient_slots_.size() >= transient_limit_;
  if (!for_sweep || has_its_share) {
    if (const auto slot = take_transient(true)) return TakenSlot{*slot, false};
    if (for_sweep) return std::nullopt;
  }
  const std::optional<uint32_t> victim = policy_->victim();
  if (!victim) return std::nullopt;
  return TakenSlot{evict(*victim), false};
}

std::optional<uint32_t> SlotStore::take_transient(bool also_guessed) {
  for (const uint32_t slot : transient_slots_) {
    const Slot& held = slots_[slot];
    if (held.pins == 0 && held.reads_left == 0 && (also_guessed || !held.guess)) return evict(held.expert);
  }
  return std::nullopt;
}

uint32_t SlotStore::evict(uint32_t expert) {
  policy_->on_evict(expert);
  ++totals.evictions;
  const uint32_t slot = std::exchange(slot_of_[expert], kNoSlot);
  assert(slots_[slot].pins == 0 && slots_[slot].reads_left == 0);
  if (slots_[slot].guess) settle_guess(slots_[slot], false);
  make_ordinary(slots_[slot]);
  return slot;
}

void SlotStore::grant_guesses(std::vector<ReadOp>& reads) {
  while (guesses_in_flight_ < kCertainInFlight) {
    const bool device_is_idle =
        slots_in_flight_ == guesses_in_flight_ && guesses_in_flight_ < kGuessesInFlight;
    const std::optional<Guess> guess = guesses_.pop(device_is_idle);
    if (!guess) return;
    if (slot_of_[guess->expert] != kNoSlot) continue;
    const std::optional<TakenSlot> slot = take_slot(*guess);
    if (!slot && guess->for_sweep) return guesses_.put_back(*guess);  // the sweep will let go of others
    if (!slot) continue;  // it expires here: whoever asks will find a slot, or wait for one
    Miss miss{guess->expert, guess->for_sweep, {}};
    start_reads(*slot, miss, reads);
    slots_[slot->number].guess = guess->foresight;
    slots_[slot->number].is_ahead = true;
    ++guesses_in_flight_;
    totals.prefetched_bytes += catalog_.expert_bytes(guess->expert);
  }
}

// What a guess may take: a slot that is free, one that its sweep uses over and over, or one whose expert the
// policy holds to be colder. Never one with another guess of a sweep: they would chase each other through the
// slots, and all be read in vain.
std::optional<SlotStore::TakenSlot> SlotStore::take_slot(const Guess& guess) {
  if (!free_slots_.empty()) return take_slot(guess.for_sweep);
  if (guess.foresight == Foresight::kWarm) return std::nullopt;
  if (guess.for_sweep && transient_slots_.size() >= transient_limit_) {
    const auto slot = take_transient(false);
    return slot ? std::optional(TakenSlot{*slot, false}) : std::nullopt;
  }
  const std::optional<uint32_t> victim = policy_->victim();
  if (!victim || !policy_->gives_way(*victim, guess.expert)) return std::nullopt;
  return TakenSlot{evict(*victim), false};
}

}  // namespace sluice
