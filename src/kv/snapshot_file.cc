#include "kv/snapshot_file.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <memory>

#include "base/fail.h"
#include "base/little_endian.h"
#include "base/replace_file.h"

namespace sluice {
namespace {

static_assert(std::endian::native == std::endian::little, "states are written as they stand in memory");

constexpr std::string_view kMagic = "sluice-kv\n";
constexpr uint32_t kVersion = 1;
constexpr size_t kChecksumBytes = sizeof(uint64_t);
constexpr size_t kMaxLayoutNumbers = 1 << 16;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 62;  // sums of sizes up to that do not overflow
// Read and added to the checksum while it is in a core's cache.
constexpr size_t kPieceBytes = 256 << 10;

static_assert(kSnapshotStartBytes == kMagic.size() + 3 * sizeof(uint32_t) + 2 * sizeof(uint64_t));

class Checksum {
 public:
  Checksum() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }
  void add(std::span<const std::byte> bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
  uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

// The sizes at a file's start.
struct Start {
  uint32_t owner_bytes = 0;
  uint32_t layout_numbers = 0;
  uint64_t tokens = 0;
  uint64_t state_bytes = 0;

  uint64_t head_bytes() const {
    return kSnapshotStartBytes + owner_bytes + uint64_t{layout_numbers} * sizeof(uint32_t) +
           tokens * sizeof(int32_t) + kChecksumBytes;
  }
};

template <class... Args>
tl::unexpected<Error> misfit(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::kCorrupt, "{}", fmt::format(format, std::forward<Args>(args)...));
}

// Takes a file's start off `bytes`. Whatever it claims, a head that passes lies within `file_bytes`.
Result<Start> take_start(std::string_view& bytes, uint64_t file_bytes, uint64_t max_tokens) {
  if (!bytes.starts_with(kMagic)) return misfit("no snapshot of a sequence: it begins otherwise");
  if (bytes.size() < kSnapshotStartBytes) return misfit("cut short: {} bytes are all of it", file_bytes);
  bytes.remove_prefix(kMagic.size());
  if (const auto version = take_little_endian<uint32_t>(bytes); version != kVersion)
    return fail(ErrorCode::kUnsupported, "found version {}, expected {}", version, kVersion);
  Start start;
  start.owner_bytes = take_little_endian<uint32_t>(bytes);
  start.layout_numbers = take_little_endian<uint32_t>(bytes);
  start.tokens = take_little_endian<uint64_t>(bytes);
  start.state_bytes = take_little_endian<uint64_t>(bytes);
  if (start.owner_bytes > kMaxSnapshotOwnerBytes || start.layout_numbers > kMaxLayoutNumbers ||
      file_bytes > kMaxFileBytes || start.tokens > file_bytes / sizeof(int32_t) ||
      start.state_bytes > file_bytes)
    return misfit("cut short or damaged: it claims more than its {} bytes can hold", file_bytes);
  const uint64_t claimed_bytes = start.head_bytes() + start.state_bytes + kChecksumBytes;
  if (claimed_bytes != file_bytes)
    return misfit("cut short or damaged: found {} bytes, expected {}", file_bytes, claimed_bytes);
  if (start.tokens > max_tokens)
    return fail(ErrorCode::kOutOfBudget, "it holds {} tokens, and the context has room for {}", start.tokens,
                max_tokens);
  return start;
}

}  // namespace

std::string encode_snapshot_head(const SnapshotHead& head) {
  assert(head.owner.size() <= kMaxSnapshotOwnerBytes && head.layout.size() <= kMaxLayoutNumbers);
  std::string bytes(kMagic);
  append_little_endian(bytes, kVersion);
  append_little_endian(bytes, static_cast<uint32_t>(head.owner.size()));
  append_little_endian(bytes, static_cast<uint32_t>(head.layout.size()));
  append_little_endian(bytes, uint64_t{head.ids.size()});
  append_little_endian(bytes, head.state_bytes);
  bytes += head.owner;
  for (const uint32_t number : head.layout) append_little_endian(bytes, number);
  for (const int32_t id : head.ids) append_little_endian(bytes, static_cast<uint32_t>(id));
  append_little_endian(bytes, uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
  return bytes;
}

uint64_t snapshot_file_bytes(const SnapshotHead& head) {
  const Start start{static_cast<uint32_t>(head.owner.size()), static_cast<uint32_t>(head.layout.size()),
                    head.ids.size(), head.state_bytes};
  return start.head_bytes() + head.state_bytes + kChecksumBytes;
}

Result<uint64_t> snapshot_head_bytes(std::string_view start, uint64_t file_bytes, uint64_t max_tokens) {
  SLUICE_ASSIGN(const Start sizes, take_start(start, file_bytes, max_tokens));
  return sizes.head_bytes();
}

Result<SnapshotHead> decode_snapshot_head(std::string_view bytes, uint64_t file_bytes, uint64_t max_tokens) {
  const std::string_view whole = bytes;
  SLUICE_ASSIGN(const Start start, take_start(bytes, file_bytes, max_tokens));
  if (whole.size() != start.head_bytes())
    return misfit("cut short: found {} bytes of its head, expected {}", whole.size(), start.head_bytes());
  const std::string_view sealed = whole.substr(0, whole.size() - kChecksumBytes);
  std::string_view checksum = whole.substr(sealed.size());
  if (take_little_endian<uint64_t>(checksum) != XXH3_64bits(sealed.data(), sealed.size()))
    return misfit("damaged: its head has another checksum");
  SnapshotHead head;
  head.owner = bytes.substr(0, start.owner_bytes);
  bytes.remove_prefix(start.owner_bytes);
  head.layout.reserve(start.layout_numbers);
  for (uint32_t i = 0; i < start.layout_numbers; ++i)
    head.layout.push_back(take_little_endian<uint32_t>(bytes));
  head.ids.reserve(start.tokens);
  for (uint64_t i = 0; i < start.tokens; ++i)
    head.ids.push_back(static_cast<int32_t>(take_little_endian<uint32_t>(bytes)));
  head.state_bytes = start.state_bytes;
  return head;
}

Status write_snapshot(const std::filesystem::path& path, const SnapshotHead& head,
                      std::span<const std::span<const std::byte>> runs,
                      const std::function<void()>& handed_over) {
  const auto fill = [&](const AppendBytes& append_bytes) -> Status {
    const std::string head_bytes = encode_snapshot_head(head);
    SLUICE_TRY(append_bytes(std::as_bytes(std::span(head_bytes))));
    Checksum checksum;
    for (std::span<const std::byte> run : runs) {
      while (!run.empty()) {
        const auto piece = run.first(std::min(run.size(), kPieceBytes));
        run = run.subspan(piece.size());
        checksum.add(piece);
        SLUICE_TRY(append_bytes(piece));
      }
    }
    std::string end;
    append_little_endian(end, checksum.value());
    return append_bytes(std::as_bytes(std::span(end)));
  };
  return replace_file(path, [&](const AppendBytes& append_bytes) {
    Status filled = fill(append_bytes);
    if (handed_over) handed_over();
    return filled;
  });
}

Result<SnapshotFile> SnapshotFile::open(const std::filesystem::path& path, uint64_t max_tokens) {
  SnapshotFile snapshot;
  snapshot.path_ = path;
  SLUICE_ASSIGN(snapshot.file_, File::open_read(path));
  const auto read_head = [&]() -> Status {
    SLUICE_ASSIGN(const uint64_t file_bytes, snapshot.file_.size_bytes());
    std::string bytes(std::min<uint64_t>(file_bytes, kSnapshotStartBytes), '\0');
    SLUICE_TRY(snapshot.file_.read_exactly(0, std::as_writable_bytes(std::span(bytes))));
    SLUICE_ASSIGN(snapshot.head_bytes_, snapshot_head_bytes(bytes, file_bytes, max_tokens));
    bytes.resize(snapshot.head_bytes_);
    SLUICE_TRY(snapshot.file_.read_exactly(0, std::as_writable_bytes(std::span(bytes))));
    SLUICE_ASSIGN(snapshot.head_, decode_snapshot_head(bytes, file_bytes, max_tokens));
    return {};
  };
  if (Status read = read_head(); !read) return tl::unexpected(std::move(read).error().in(path.string()));
  return snapshot;
}

Status SnapshotFile::read_state(std::span<const std::span<std::byte>> runs) const {
  uint64_t offset_bytes = head_bytes_;
  Checksum checksum;
  const auto read = [&](std::span<std::byte> into) -> Status {
    auto done = file_.read_exactly(offset_bytes, into);
    if (!done) return tl::unexpected(std::move(done).error().in(path_.string()));
    offset_bytes += into.size();
    return {};
  };
  uint64_t wanted_bytes = 0;
  for (const auto run : runs) wanted_bytes += run.size();
  if (wanted_bytes != head_.state_bytes)
    return misfit("{}: found {} bytes of state, expected {}", path_.string(), head_.state_bytes,
                  wanted_bytes);
  for (std::span<std::byte> run : runs) {
    while (!run.empty()) {
      const auto piece = run.first(std::min(run.size(), kPieceBytes));
      run = run.subspan(piece.size());
      SLUICE_TRY(read(piece));
      checksum.add(piece);
    }
  }
  std::string end(kChecksumBytes, '\0');
  SLUICE_TRY(read(std::as_writable_bytes(std::span(end))));
  std::string_view end_view = end;
  if (take_little_endian<uint64_t>(end_view) == checksum.value()) return {};
  return misfit("{}: damaged: its state has another checksum", path_.string());
}

}  // namespace sluice
