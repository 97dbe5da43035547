// How the time of forward passes divides among their parts.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "model/forward_context.h"

namespace sluice {

// Sums up what it observes. Used by the thread that runs the passes.
class PartTimes final : public ForwardObserver {
 public:
  using Times = std::array<uint64_t, kPassParts>;  // ns, by PassPart

  void on_part(PassPart part, uint32_t /*layer*/, std::chrono::steady_clock::time_point begin,
               std::chrono::steady_clock::time_point end) override {
    times_ns_[static_cast<size_t>(part)] +=
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count());
  }

  const Times& times_ns() const { return times_ns_; }

 private:
  Times times_ns_{};
};

}  // namespace sluice
