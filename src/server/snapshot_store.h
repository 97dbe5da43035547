// Prompts' states in a folder, so that they outlive memory and the process.
#pragma once

#include <compare>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "engine/session_snapshot.h"
#include "server/snapshot_figures.h"

namespace sluice {

// A file's name: whose it is, how many tokens it holds, and a digest of them. It says all that looking for a
// snapshot needs, so that no file is opened before it is wanted.
struct SnapshotName {
  uint64_t owner = 0;  // a digest of snapshot_owner()
  uint64_t tokens = 0;
  uint64_t ids_high = 0, ids_low = 0;
  auto operator<=>(const SnapshotName&) const = default;

  std::string file_name() const;
  // What file_name() made; nothing for any other name.
  static std::optional<SnapshotName> parse(const std::string& file_name);
};

// Which bytes move, and when: a snapshot is written once, whole, by a thread of its own, from where it stands
// in its session's memory; it is read once for each prompt that goes on from it, on the engine's thread,
// straight to where it stays. DeepSeek-V4-Flash has about 24 MB a snapshot and 14 KB for each token.
//
// A snapshot that cannot be used is deleted with a warning, a write that fails is given up with one: serving
// goes on. Used by the engine's thread; figures() by any.
class SnapshotStore {
 public:
  static constexpr uint64_t kDefaultLimitBytes = 10'000'000'000;

  // Makes the folder. Its snapshots together take at most `limit_bytes`, and at most half of what the disk
  // would have free without them; other checkpoints' snapshots count, and go like any other when they were
  // not used for longest. kIo when the folder cannot be made or written to, kInvalidArgument when another
  // process holds it. `owner`: snapshot_owner() of the engine.
  static Result<std::unique_ptr<SnapshotStore>> open(const std::filesystem::path& folder,
                                                     uint64_t limit_bytes, const std::string& owner);
  // Writes what waits to be written.
  ~SnapshotStore();
  SnapshotStore(const SnapshotStore&) = delete;
  SnapshotStore& operator=(const SnapshotStore&) = delete;

  // How many of the first of `ids` a snapshot holds that is there or being written: of the longest.
  uint64_t saved_tokens(std::span<const int32_t> ids) const;
  // Puts the longest snapshot that `context` begins with in the place of what `session` holds, if it has more
  // than `least_tokens` tokens and fewer than the context. What it holds then: 0 when there was none. The
  // session may be empty then, when one was damaged. REQUIRES wait_for(session) before.
  uint64_t restore(Session& session, std::span<const int32_t> context, uint64_t least_tokens);
  bool can_restore(std::span<const int32_t> context, uint64_t least_tokens) const;

  // Puts it in the queue, unless it is there already; at most kMaxQueued wait, more are not kept. `session`
  // is the snapshot's: what SessionSnapshot asks for holds until wait_for(session) returns.
  // It was used last at `last_use`: where it would have to make room for itself among others that were used
  // since, it is not kept.
  using Time = std::filesystem::file_time_type;
  void write(SessionSnapshot snapshot, const Session& session, Time last_use);
  // Until nothing that is being written points to the session's memory: the system has its bytes then, the
  // disk may not. Snapshots are written in turn, so that those before it in the queue are waited for too.
  void wait_for(const Session& session);

  SnapshotFigures figures() const;

 private:
  static constexpr size_t kMaxQueued = 16;
  struct Entry {
    uint64_t bytes = 0;
    Time last_use{};
    bool is_written = false;  // otherwise it waits to be
  };
  using Entries = std::map<SnapshotName, Entry>;
  struct Job {
    SnapshotName name;
    SessionSnapshot snapshot;
    const Session* session;
    Time last_use;
  };
  enum class Room { kMade, kNever, kOthersAreNewer };

  SnapshotStore(std::filesystem::path folder, uint64_t limit_bytes, uint64_t owner, File lock);
  Status find_snapshots();
  SnapshotName name_of(std::span<const int32_t> ids) const;
  // With the mutex held.
  Entries::const_iterator longest(std::span<const int32_t> ids, bool only_written) const;
  Room make_room(uint64_t bytes, Time last_use);
  void forget(const SnapshotName& name);

  void work();
  void write_one(const Job& job);
  void release(const Session* session);
  Status write_file(const Job& job);
  void set_use(const SnapshotName& name, Time time);

  const std::filesystem::path folder_;
  const uint64_t limit_bytes_;
  const uint64_t owner_;
  const File lock_;  // whose lock says that the folder is taken
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Entries entries_;  // guarded by mutex_, as is what follows
  SnapshotFigures figures_;
  std::deque<Job> queue_;
  std::vector<const Session*> in_use_;  // one for each snapshot whose bytes are not handed over
  bool ending_ = false;
  std::thread writer_;
};

}  // namespace sluice
