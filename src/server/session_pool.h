// A few sequences that are kept, so that a conversation goes on where it stopped.
#pragma once

#include <cstdint>
#include <memory>
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

  // Lends the session that saves `context` most; if none saves anything, an empty one, else the one that was
  // lent longest ago. Nobody else gets it until give_back, and it stays where it is. REQUIRES that fewer than
  // `capacity` are lent. Errors of Engine::new_session.
  Result<Session*> lend(std::span<const int32_t> context);
  void give_back(const Session* session);

  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    Session session;
    uint64_t last_use = 0;
    bool is_lent = false;
  };
  Result<Kept*> choose(std::span<const int32_t> context);

  Engine& engine_;
  size_t capacity_;
  std::vector<std::unique_ptr<Kept>> kept_;
  uint64_t uses_ = 0;
};

}  // namespace sluice
