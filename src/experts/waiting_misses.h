// Experts that are wanted and have no slot yet, first come first served. Internal to this room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "experts/request_core.h"

namespace sluice {

struct Miss {
  uint32_t expert;              // the catalog's index
  bool for_sweep;               // and for nothing else
  std::vector<Waiter> waiters;  // empty for a guess, which does not wait
};

// An expert stands in it once, with all who wait for it. Not thread safe: the store's lock guards it.
class WaitingMisses {
 public:
  bool empty() const { return misses_.empty(); }

  // `waiter` waits for `expert`: as a sweep's miss only as long as nobody but sweeps does.
  void add(uint32_t expert, Waiter waiter, bool for_sweep);
  // The request no longer waits for `expert`; who waits for nobody is gone.
  void forget(const RequestCore& request, uint32_t expert);

  // Offers them in turn to `serve(Miss&)`, which says whether it took the miss; what it took is gone. A
  // token's miss may take slots that a sweep's may not: a sweep's that goes without holds up the other
  // sweeps' alone.
  template <class Serve>
  void offer(Serve serve) {
    bool sweeps_must_wait = false;
    for (auto next = misses_.begin(); next != misses_.end();) {
      const auto miss = next++;
      if (miss->for_sweep && sweeps_must_wait) continue;
      const uint32_t expert = miss->expert;
      if (serve(*miss)) {
        by_expert_.erase(expert);
        misses_.erase(miss);
      } else if (miss->for_sweep) {
        sweeps_must_wait = true;
      } else {
        return;
      }
    }
  }

 private:
  std::list<Miss> misses_;  // oldest first
  std::unordered_map<uint32_t, std::list<Miss>::iterator> by_expert_;
};

}  // namespace sluice
