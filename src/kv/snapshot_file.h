// Files that hold a sequence's state: what is remembered of its tokens, as bytes, and what they belong to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "sluice/result.h"

namespace sluice {

// What stands before the state's bytes.
struct SnapshotHead {
  // What the bits depend on besides the ids: the caller's words, of at most kMaxSnapshotOwnerBytes. A state
  // of another owner is of no use.
  std::string owner;
  std::vector<uint32_t> layout;  // SequenceState::layout()
  std::vector<int32_t> ids;      // the tokens that were taken in: their number is the position
  uint64_t state_bytes = 0;
};
inline constexpr size_t kMaxSnapshotOwnerBytes = 4096;

// A file, in little endian: magic and version, the sizes of what follows, owner, layout, ids, and XXH3 of all
// of that; the state's bytes; XXH3 of those. REQUIRES an owner and a layout within their limits.
std::string encode_snapshot_head(const SnapshotHead& head);
// Of the whole file.
uint64_t snapshot_file_bytes(const SnapshotHead& head);

// How many bytes the head has, of a file of `file_bytes` that begins with `start`, which is all of it or at
// least kSnapshotStartBytes. kCorrupt when this is no such file or not a whole one, kUnsupported for another
// version, kOutOfBudget for more than `max_tokens` tokens. Allocates nothing.
inline constexpr size_t kSnapshotStartBytes = 38;
Result<uint64_t> snapshot_head_bytes(std::string_view start, uint64_t file_bytes, uint64_t max_tokens);
// `bytes`: as many. Errors as above.
Result<SnapshotHead> decode_snapshot_head(std::string_view bytes, uint64_t file_bytes, uint64_t max_tokens);

// Puts a snapshot in the place of the file at `path`, at once or not at all (base/replace_file.h). The state
// is `runs`, one after the other, head.state_bytes in all; they are written from where they stand, with no
// copy. `handed_over`, if it is set, is called as soon as the runs are not needed any more: the system has
// their bytes, the disk may not have them yet. Not when there was no file to write to. kIo.
Status write_snapshot(const std::filesystem::path& path, const SnapshotHead& head,
                      std::span<const std::span<const std::byte>> runs,
                      const std::function<void()>& handed_over = {});

// A snapshot that is read. Its head is checked when it is opened, the state's bytes when they are read.
class SnapshotFile {
 public:
  // kNotFound, kIo, and the errors of snapshot_head_bytes; messages name the file.
  static Result<SnapshotFile> open(const std::filesystem::path& path, uint64_t max_tokens);

  const SnapshotHead& head() const { return head_; }
  // Fills `runs`, one after the other. kCorrupt when they are not what was written or want another number of
  // bytes, kIo: what they hold then is of no use.
  Status read_state(std::span<const std::span<std::byte>> runs) const;

 private:
  std::filesystem::path path_;
  File file_;
  SnapshotHead head_;
  uint64_t head_bytes_ = 0;
};

}  // namespace sluice
