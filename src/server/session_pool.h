// A few sequences that are kept, so that a conversation goes on where it stopped.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sluice/engine.h"

namespace sluice {

// How much a sequence that has taken in `held` saves a request for `context`: all of it, when it is a proper
// prefix (what a session has taken in cannot be taken back); otherwise nothing.
uint64_t reusable_tokens(std::span<const int32_t> held, std::span<const int32_t> context);

// Used by one thread.
class SessionPool {
 public:
  // At most `capacity` sessions, which the engine's memory plan must hold. `engine` must outlive this object.
  SessionPool(Engine& engine, size_t capacity) : engine_(engine), capacity_(capacity) {}

  // Generates with the session that saves most; if none saves anything, with an empty one, else with the one
  // that was used longest ago. Errors of Engine::new_session and Session::generate.
  Result<GenerationResult> generate(const GenerationRequest& request);

  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    Session session;
    std::vector<int32_t> ids;  // that it has taken in
    uint64_t last_use = 0;
  };
  Result<Kept*> choose(std::span<const int32_t> context);

  Engine& engine_;
  size_t capacity_;
  std::vector<Kept> kept_;
  uint64_t uses_ = 0;
};

}  // namespace sluice
