// A session's state on its way to a file, or from one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "kv/snapshot_file.h"
#include "sluice/engine.h"

namespace sluice {

// What a session holds, to be written by any thread. Points to the session's memory and copies the ids only:
// from the snapshot's birth until its bytes are handed over, or it is dropped, its session must not be
// cleared, restored or destroyed, nor given to another generation. Movable.
class SessionSnapshot {
 public:
  // All that the session holds. REQUIRES in addition that no generation goes on with it meanwhile.
  static SessionSnapshot of(const Session& session);
  // What it holds of its last prompt: all tokens but the last, which a request that goes on from there needs
  // for its logits. A generation that is under way may go on. Nothing when the session has none
  // (EngineOptions::keep_prompts).
  static std::optional<SessionSnapshot> of_prompt(const Session& session);

  std::span<const int32_t> ids() const { return head_.ids; }
  // Of a file: what is written, once for each snapshot.
  uint64_t file_bytes() const;
  // As write_snapshot (kv/snapshot_file.h).
  Status write(const std::filesystem::path& path, const std::function<void()>& handed_over = {}) const;

  // Puts what `from` holds of its last prompt in the place of what `into` holds, another session of the same
  // engine: a copy in memory. REQUIRES of_prompt(from).
  static void fork(const Session& from, Session& into);
  // As Session::restore; in addition kInvalidArgument, and the session as it was, when the file holds other
  // tokens than the first of `expected_ids`, if those are given.
  static Status restore(Session& session, const std::filesystem::path& path,
                        std::optional<std::span<const int32_t>> expected_ids);

 private:
  // The first `tokens` of the session, with no state yet.
  SessionSnapshot(const Session::State& session, uint64_t tokens);
  void add(std::span<const std::byte> run);
  void add_settled(Session::State& session);
  static Status check_head(const SnapshotHead& head, const Session::State& session);
  static Status restore_from(const SnapshotFile& file, Session::State& session);

  SnapshotHead head_;
  std::vector<std::span<const std::byte>> runs_;
};

}  // namespace sluice
