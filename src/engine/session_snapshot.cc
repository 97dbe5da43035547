#include "engine/session_snapshot.h"

#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "engine/loaded_model.h"
#include "engine/session_state.h"
#include "engine/snapshot_owner.h"

namespace sluice {
SessionSnapshot SessionSnapshot::of(const Session& session) {
  Session::State& state = *session.state_;
  SessionSnapshot snapshot(state, state.ids.size());
  for (const auto run : state.sequence.changing_bytes()) snapshot.add(run);
  snapshot.add_settled(state);
  return snapshot;
}

std::optional<SessionSnapshot> SessionSnapshot::of_prompt(const Session& session) {
  Session::State& state = *session.state_;
  if (state.mark.position() == 0) return std::nullopt;
  SessionSnapshot snapshot(state, state.mark.position());
  snapshot.add(state.mark.changing_bytes());
  snapshot.add_settled(state);
  return snapshot;
}

SessionSnapshot::SessionSnapshot(const Session::State& session, uint64_t tokens)
    : head_{snapshot_owner(session.loaded),
            session.sequence.layout(),
            {session.ids.begin(), session.ids.begin() + static_cast<ptrdiff_t>(tokens)},
            0} {}

void SessionSnapshot::add(std::span<const std::byte> run) {
  runs_.push_back(run);
  head_.state_bytes += run.size();
}

void SessionSnapshot::add_settled(Session::State& session) {
  for (const auto run : session.sequence.settled_bytes(head_.ids.size())) add(run);
}

uint64_t SessionSnapshot::file_bytes() const {
  return snapshot_file_bytes(head_);
}

Status SessionSnapshot::write(const std::filesystem::path& path,
                              const std::function<void()>& handed_over) const {
  return write_snapshot(path, head_, runs_, handed_over);
}

// Whether the file is of any use to the session, before anything of that is touched.
Status SessionSnapshot::check_head(const SnapshotHead& head, const Session::State& session) {
  const std::string owner = snapshot_owner(session.loaded);
  if (head.owner != owner)
    return fail(ErrorCode::kInvalidArgument, "it was saved by \"{}\", and this is \"{}\"", head.owner, owner);
  if (head.layout != session.sequence.layout())
    return fail(ErrorCode::kInvalidArgument, "its state is laid out in another way");
  const uint32_t vocabulary = session.loaded.checkpoint.config().vocab_size;
  const auto outside = std::ranges::find_if(
      head.ids, [&](int32_t id) { return id < 0 || static_cast<uint32_t>(id) >= vocabulary; });
  if (outside == head.ids.end()) return {};
  return fail(ErrorCode::kCorrupt, "token id {} is outside the vocabulary of {}", *outside, vocabulary);
}

Status SessionSnapshot::restore_from(const SnapshotFile& file, Session::State& session) {
  const SnapshotHead& head = file.head();
  session.clear();
  session.sequence.resume(head.ids.size());
  std::vector<std::span<std::byte>> runs = session.sequence.changing_bytes();
  std::ranges::copy(session.sequence.settled_bytes(head.ids.size()), std::back_inserter(runs));
  if (Status read = file.read_state(runs); !read) {
    session.clear();
    return read;
  }
  session.ids = head.ids;
  return {};
}

Status SessionSnapshot::restore(Session& session, const std::filesystem::path& path,
                                std::optional<std::span<const int32_t>> expected_ids) {
  Session::State& state = *session.state_;
  SLUICE_ASSIGN(const auto file, SnapshotFile::open(path, state.sequence.context_tokens()));
  const auto& ids = file.head().ids;
  Status fits = check_head(file.head(), state);
  if (fits && expected_ids &&
      (ids.size() > expected_ids->size() || !std::equal(ids.begin(), ids.end(), expected_ids->begin())))
    fits = fail(ErrorCode::kInvalidArgument, "it holds other tokens than were looked for");
  if (!fits) return tl::unexpected(std::move(fits).error().in(path.string()));
  return restore_from(file, state);
}

void SessionSnapshot::fork(const Session& from, Session& into) {
  Session::State& source = *from.state_;
  Session::State& copy = *into.state_;
  const uint64_t tokens = source.mark.position();
  copy.clear();
  copy.ids.assign(source.ids.begin(), source.ids.begin() + static_cast<ptrdiff_t>(tokens));
  source.mark.return_to(copy.sequence);
  const auto settled = source.sequence.settled_bytes(tokens);
  const auto places = copy.sequence.settled_bytes(tokens);
  for (size_t i = 0; i < places.size(); ++i)
    std::memcpy(places[i].data(), settled[i].data(), settled[i].size());
}

Status Session::save(const std::filesystem::path& path) const {
  return SessionSnapshot::of(*this).write(path);
}

Status Session::restore(const std::filesystem::path& path) {
  return SessionSnapshot::restore(*this, path, std::nullopt);
}

}  // namespace sluice
