#include "server/snapshot_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <system_error>

#include "base/fail.h"
#include "base/log.h"
#include "base/replace_file.h"
#include "base/units.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLockName = "lock";
constexpr std::string_view kEnding = ".kv";

uint64_t elapsed_ns(std::chrono::steady_clock::time_point since) {
  const auto elapsed = std::chrono::steady_clock::now() - since;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
}

// All but the last, which is needed for its logits.
std::span<const int32_t> proper_prefix(std::span<const int32_t> ids) {
  return ids.first(ids.size() - std::min<size_t>(ids.size(), 1));
}

// Ids, and a digest of those added so far at any time.
class IdsDigest {
 public:
  IdsDigest() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void add(std::span<const int32_t> ids) { XXH3_128bits_update(state_.get(), ids.data(), ids.size_bytes()); }
  XXH128_hash_t value() const { return XXH3_128bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

// A file that only one process at a time can lock, as long as it is open.
Result<File> take_lock(const fs::path& folder) {
  const fs::path path = folder / kLockName;
  const auto cannot = [&] {
    return fail(ErrorCode::kIo, "{}: prompts cannot be kept here: {}; name a folder that can be written to",
                folder.string(), errno_text(errno));
  };
  std::error_code error;
  // What a conversation was can be told from its state.
  if (fs::create_directories(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
  if (error) {
    errno = error.value();
    return cannot();
  }
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file.descriptor() < 0) return cannot();
  if (::flock(file.descriptor(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return cannot();
  return fail(ErrorCode::kInvalidArgument,
              "{}: another process keeps its prompts here; name another folder for this one",
              folder.string());
}

}  // namespace

std::string SnapshotName::file_name() const {
  return fmt::format("{:016x}-{}-{:016x}{:016x}{}", owner, tokens, ids_high, ids_low, kEnding);
}

std::optional<SnapshotName> SnapshotName::parse(const std::string& file_name) {
  SnapshotName name;
  // The widths keep every field within its number, and writing it again tells every other spelling.
  unsigned long long owner = 0, tokens = 0, high = 0, low = 0;
  if (std::sscanf(file_name.c_str(), "%16llx-%18llu-%16llx%16llx", &owner, &tokens, &high, &low) != 4)
    return std::nullopt;
  name = {owner, tokens, high, low};
  if (name.file_name() != file_name) return std::nullopt;
  return name;
}

Result<std::unique_ptr<SnapshotStore>> SnapshotStore::open(const fs::path& folder, uint64_t limit_bytes,
                                                           const std::string& owner) {
  SLUICE_ASSIGN(File lock, take_lock(folder));
  std::unique_ptr<SnapshotStore> store(
      new SnapshotStore(folder, limit_bytes, XXH3_64bits(owner.data(), owner.size()), std::move(lock)));
  SLUICE_TRY(store->find_snapshots());
  store->writer_ = std::thread([self = store.get()] { self->work(); });
  return store;
}

SnapshotStore::SnapshotStore(fs::path folder, uint64_t limit_bytes, uint64_t owner, File lock)
    : folder_(std::move(folder)), limit_bytes_(limit_bytes), owner_(owner), lock_(std::move(lock)) {}

SnapshotStore::~SnapshotStore() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  writer_.join();
}

// Before there is another thread.
Status SnapshotStore::find_snapshots() {
  std::error_code error;
  size_t others = 0;
  for (fs::directory_iterator each(folder_, error), end; !error && each != end; each.increment(error)) {
    const fs::path& path = each->path();
    std::error_code gone;  // what is not there any more is not there
    if (is_half_written(path)) {
      fs::remove(path, gone);
      continue;
    }
    const auto name = SnapshotName::parse(path.filename().string());
    if (!name) continue;
    const uint64_t bytes = fs::file_size(path, gone);
    const auto used = fs::last_write_time(path, gone);
    if (gone) continue;
    entries_[*name] = {bytes, used, true};
    figures_.held_bytes += bytes;
    others += name->owner != owner_;
  }
  if (error) return fail(ErrorCode::kIo, "{}: cannot be listed: {}", folder_.string(), error.message());
  if (others > 0) {
    log_warn(
        "{}: {} of {} snapshots are of other checkpoints, numerics or builds of the program: they are not "
        "used, "
        "and go when room is needed",
        folder_.string(), others, entries_.size());
  }
  const std::lock_guard lock(mutex_);
  make_room(0, Time::max());
  return {};
}

SnapshotName SnapshotStore::name_of(std::span<const int32_t> ids) const {
  IdsDigest digest;
  digest.add(ids);
  return {owner_, ids.size(), digest.value().high64, digest.value().low64};
}

// One walk over the ids, which stops at every length that a snapshot has.
SnapshotStore::Entries::const_iterator SnapshotStore::longest(std::span<const int32_t> ids,
                                                              bool only_written) const {
  auto best = entries_.end();
  IdsDigest digest;
  uint64_t added = 0;
  auto each = entries_.lower_bound({owner_, 0, 0, 0});
  while (each != entries_.end() && each->first.owner == owner_ && each->first.tokens <= ids.size()) {
    const uint64_t tokens = each->first.tokens;
    digest.add(ids.subspan(added, tokens - added));
    added = tokens;
    const XXH128_hash_t value = digest.value();
    const auto found = entries_.find({owner_, tokens, value.high64, value.low64});
    if (found != entries_.end() && (found->second.is_written || !only_written)) best = found;
    each = entries_.lower_bound({owner_, tokens + 1, 0, 0});
  }
  return best;
}

uint64_t SnapshotStore::saved_tokens(std::span<const int32_t> ids) const {
  const std::lock_guard lock(mutex_);
  const auto found = longest(ids, false);
  return found == entries_.end() ? 0 : found->first.tokens;
}

bool SnapshotStore::can_restore(std::span<const int32_t> context, uint64_t least_tokens) const {
  const std::lock_guard lock(mutex_);
  const auto found = longest(proper_prefix(context), true);
  return found != entries_.end() && found->first.tokens > least_tokens;
}

uint64_t SnapshotStore::restore(Session& session, std::span<const int32_t> context, uint64_t least_tokens) {
  while (true) {
    SnapshotName name;
    uint64_t bytes = 0;
    {
      const std::lock_guard lock(mutex_);
      const auto found = longest(proper_prefix(context), true);
      if (found == entries_.end() || found->first.tokens <= least_tokens) return 0;
      name = found->first;
      bytes = found->second.bytes;
    }
    const auto begun = std::chrono::steady_clock::now();
    const Status restored = SessionSnapshot::restore(session, folder_ / name.file_name(), context);
    if (restored && session.tokens_held() == name.tokens) {
      set_use(name, Time::clock::now());
      const std::lock_guard lock(mutex_);
      ++figures_.read;
      figures_.read_bytes += bytes;
      figures_.read_ns += elapsed_ns(begun);
      figures_.read_tokens += name.tokens;
      return name.tokens;
    }
    const std::lock_guard lock(mutex_);
    if (!entries_.contains(name)) continue;  // it had to make room meanwhile
    log_warn("a prompt's snapshot is ignored and deleted: {}",
             restored ? "its name is another one's" : restored.error().message);
    ++figures_.ignored;
    forget(name);
  }
}

void SnapshotStore::write(SessionSnapshot snapshot, const Session& session, Time last_use) {
  const SnapshotName name = name_of(snapshot.ids());
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMaxQueued) return;
    const Entry entry{snapshot.file_bytes(), last_use, false};
    if (!entries_.try_emplace(name, entry).second) return;
    in_use_.push_back(&session);
    queue_.push_back({name, std::move(snapshot), &session, last_use});
  }
  changed_.notify_all();
}

void SnapshotStore::wait_for(const Session& session) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return std::ranges::find(in_use_, &session) == in_use_.end(); });
}

SnapshotFigures SnapshotStore::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void SnapshotStore::work() {
  while (true) {
    std::optional<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job.emplace(std::move(queue_.front()));
      queue_.pop_front();
    }
    write_one(*job);
  }
}

void SnapshotStore::write_one(const Job& job) {
  const uint64_t bytes = job.snapshot.file_bytes();
  Room room;
  {
    const std::lock_guard lock(mutex_);
    room = make_room(bytes, job.last_use);
  }
  const auto begun = std::chrono::steady_clock::now();
  Status written;
  if (room == Room::kMade) {
    written = write_file(job);
  } else {
    written = fail(ErrorCode::kOutOfBudget, "{}: {} do not fit into what snapshots may take of the disk",
                   folder_.string(), format_bytes(bytes));
    release(job.session);
  }
  if (!written && room != Room::kOthersAreNewer)
    log_warn("a prompt's snapshot is not kept: {}", written.error().message);
  const std::lock_guard lock(mutex_);
  if (!written) {
    figures_.failed_writes += room != Room::kOthersAreNewer;
    entries_.erase(job.name);
    return;
  }
  entries_[job.name].is_written = true;
  figures_.held_bytes += bytes;
  ++figures_.written;
  figures_.written_bytes += bytes;
  figures_.write_ns += elapsed_ns(begun);
}

// The session is released as soon as the system has its bytes.
Status SnapshotStore::write_file(const Job& job) {
  bool is_released = false;
  const auto release_once = [&] {
    if (!is_released) release(job.session);
    is_released = true;
  };
  Status written = job.snapshot.write(folder_ / job.name.file_name(), release_once);
  release_once();
  if (written) set_use(job.name, job.last_use);
  return written;
}

void SnapshotStore::release(const Session* session) {
  {
    const std::lock_guard lock(mutex_);
    in_use_.erase(std::ranges::find(in_use_, session));
  }
  changed_.notify_all();
}

// The file's date keeps the order of use over restarts.
void SnapshotStore::set_use(const SnapshotName& name, Time time) {
  std::error_code ignored;
  fs::last_write_time(folder_ / name.file_name(), time, ignored);
  const std::lock_guard lock(mutex_);
  if (const auto entry = entries_.find(name); entry != entries_.end()) entry->second.last_use = time;
}

// Room for `bytes` that were used at `last_use`: as many snapshots as needed go, first those that were not
// used for longest.
SnapshotStore::Room SnapshotStore::make_room(uint64_t bytes, Time last_use) {
  std::error_code error;
  const uint64_t free_bytes = fs::space(folder_, error).available;
  uint64_t limit_bytes = limit_bytes_;
  if (!error) limit_bytes = std::min(limit_bytes, (figures_.held_bytes + free_bytes) / 2);
  if (bytes > limit_bytes) return Room::kNever;
  while (figures_.held_bytes + bytes > limit_bytes) {
    auto oldest = entries_.end();
    for (auto each = entries_.begin(); each != entries_.end(); ++each) {
      if (!each->second.is_written) continue;
      if (oldest == entries_.end() || each->second.last_use < oldest->second.last_use) oldest = each;
    }
    if (oldest == entries_.end()) return Room::kNever;
    if (oldest->second.last_use > last_use) return Room::kOthersAreNewer;
    ++figures_.dropped;
    forget(oldest->first);
  }
  return Room::kMade;
}

void SnapshotStore::forget(const SnapshotName& name) {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return;
  std::error_code ignored;
  fs::remove(folder_ / name.file_name(), ignored);
  figures_.held_bytes -= entry->second.bytes;
  entries_.erase(entry);
}

}  // namespace sluice
