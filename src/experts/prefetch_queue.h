// What is to be read before it is asked for, and whether doing so has paid. Internal to this room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "experts/expert_store.h"

namespace sluice {

// One expert that may be read ahead.
struct Guess {
  uint32_t expert = 0;  // the catalog's index
  uint32_t layer = 0;
  Foresight foresight = Foresight::kLikely;
  bool for_sweep = false;
};

// Not thread safe: the store's lock guards it.
class PrefetchQueue {
 public:
  void add(const Guess& guess);
  // A guess that was popped and could not be read yet: it is the next again.
  void put_back(const Guess& guess);
  // The layer's request has come: whatever was guessed for it comes too late. Warm ones stay.
  void expire(uint32_t layer);
  // A better guess at the layer is about to be added.
  void forget_likely(uint32_t layer);
  void clear();

  // The surest guess, the oldest of equals. kLikely and kWarm only when `device_is_idle`.
  std::optional<Guess> pop(bool device_is_idle);

  // What became of a kLikely guess that was read: asked for, or dropped without.
  void record(bool was_useful);
  // Whether making likely guesses is worth the trouble: they are mostly of use, or it is time to try again.
  bool wants_likely();

 private:
  static constexpr size_t kKinds = 3;

  void forget(Foresight foresight, uint32_t layer);

  std::array<std::deque<Guess>, kKinds> guesses_;  // by Foresight
  double useful_share_ = 1;                        // of the guesses of late
  uint32_t asked_in_vain_ = 0;                     // times that wants_likely() said no since the last yes
};

}  // namespace sluice
