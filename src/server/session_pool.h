// A few sequences that are kept, so that a conversation goes on where it stopped.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/snapshot_store.h"
#include "sluice/engine.h"

namespace sluice {

// With a store, what sessions hold goes to disk: a prompt's end when enough of it is new, and what a session
// that makes room for another holds, or at the end of all. Used by one thread.
class SessionPool {
 public:
  // At most `capacity` sessions, which the engine's memory plan must hold. `engine` and `store`, which may be
  // null, must outlive this object.
  SessionPool(Engine& engine, size_t capacity, SnapshotStore* store = nullptr)
      : engine_(engine), capacity_(capacity), store_(store) {}
  // Waits until nothing is being written from a session's memory.
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  // Lends the session that saves `context` most. Nobody else gets it until give_back, and it stays where it
  // is. What a session holds beyond that is not given up for it as long as there is room for another one: the
  // beginning is copied then. Where a snapshot saves more, it is read. If nothing saves anything, an empty
  // session, or else the one that was lent longest ago. REQUIRES that fewer than `capacity` are lent. Errors
  // of Engine::new_session.
  Result<Session*> lend(std::span<const int32_t> context);
  void give_back(const Session* session);

  // How many of the context's tokens other contexts began with too, as far as sessions that are held show it:
  // a system prompt, say, which the next request may begin with as well. 0 unless they are many more than
  // `lent` has of it already.
  uint64_t shared_beginning(const Session& lent, std::span<const int32_t> context) const;
  // A session that is lent has taken in its prompt.
  void on_prompt(const Session& session);
  // Keeps on disk what would be missed.
  void keep_all();

  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    Session session;
    uint64_t last_use = 0;
    SnapshotStore::Time last_time{};  // that it was lent
    bool is_lent = false;
  };
  // What saves most, and how many tokens.
  struct Found {
    Kept* kept = nullptr;
    uint64_t tokens = 0;
    bool is_all() const { return tokens == kept->session.tokens_held(); }
  };
  Result<Kept*> choose(std::span<const int32_t> context);
  Found best_of(std::span<const int32_t> context) const;
  bool has_room() const;
  // An empty session, or the one that was lent longest ago.
  Result<Kept*> spare();
  void keep(const Kept& kept);
  void keep(SessionSnapshot snapshot, const Session& session, SnapshotStore::Time last_use,
            uint64_t least_tokens);

  Engine& engine_;
  size_t capacity_;
  SnapshotStore* store_;
  std::vector<std::unique_ptr<Kept>> kept_;
  uint64_t uses_ = 0;
};

}  // namespace sluice
