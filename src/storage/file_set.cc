#include "storage/file_set.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <thread>
#include <utility>

#include "base/fail.h"
#include "base/log.h"
#include "base/memory.h"
#include "storage/read_progress.h"

namespace sluice {
namespace {

constexpr size_t kUsualAlignmentBytes = 4096;
constexpr size_t kMaxAlignmentBytes = size_t{1} << 20;

// A file opened with O_DIRECT and what its reads must be aligned to.
struct DirectFile {
  File file;
  size_t alignment_bytes = kUsualAlignmentBytes;
};

Result<std::vector<File>> open_buffered(std::span<const FileSpec> specs) {
  std::vector<File> files;
  files.reserve(specs.size());
  for (const FileSpec& spec : specs) {
    SLUICE_ASSIGN(File file, File::open_read(spec.path));
    auto size = file.size_bytes();
    if (!size) return tl::unexpected(std::move(size.error()).in(spec.path.string()));
    if (*size != spec.size_bytes) {
      return fail(ErrorCode::kCorrupt,
                  "{}: the file has {} bytes, {} were expected: it was cut short or replaced; fetch it again",
                  spec.path.string(), *size, spec.size_bytes);
    }
    files.push_back(std::move(file));
  }
  return files;
}

// What the file system says about direct reads: kUnsupported when it rules them out, a guess when it is
// silent.
Result<size_t> ask_alignment_bytes([[maybe_unused]] const File& file) {
#ifdef STATX_DIOALIGN
  struct statx info {};
  if (::statx(file.descriptor(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
      (info.stx_mask & STATX_DIOALIGN) != 0) {
    const size_t alignment_bytes = std::max(info.stx_dio_mem_align, info.stx_dio_offset_align);
    if (!std::has_single_bit(alignment_bytes) || alignment_bytes == 1 ||
        alignment_bytes > kMaxAlignmentBytes) {
      return fail(ErrorCode::kUnsupported, "the file system offers an alignment of {} bytes",
                  alignment_bytes);
    }
    return alignment_bytes;
  }
#endif
  return kUsualAlignmentBytes;
}

// Some file systems open with O_DIRECT and refuse the reads: try one.
Status probe_direct(const DirectFile& direct) {
  SLUICE_ASSIGN(const MappedMemory memory, MappedMemory::allocate(2 * direct.alignment_bytes));
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  std::byte* aligned = memory.data() + (round_up(address, direct.alignment_bytes) - address);
  const ssize_t got = ::pread(direct.file.descriptor(), aligned, direct.alignment_bytes, 0);
  // A failing device is not a refusal: the read that needs the bytes will report it.
  if (got < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
    return fail(ErrorCode::kUnsupported, "a read of {} aligned bytes: {}", direct.alignment_bytes,
                errno_text(errno));
  }
  return {};
}

Result<DirectFile> open_direct(const FileSpec& spec) {
  DirectFile direct;
  SLUICE_ASSIGN(direct.file, File::open_read(spec.path, O_DIRECT));
  SLUICE_ASSIGN(direct.alignment_bytes, ask_alignment_bytes(direct.file));
  SLUICE_TRY(probe_direct(direct));
  return direct;
}

Result<std::vector<DirectFile>> open_all_direct(std::span<const FileSpec> specs) {
  std::vector<DirectFile> files;
  files.reserve(specs.size());
  for (const FileSpec& spec : specs) {
    SLUICE_ASSIGN(DirectFile direct, open_direct(spec));
    files.push_back(std::move(direct));
  }
  return files;
}

}  // namespace

Result<FileSet> FileSet::open(std::span<const FileSpec> specs, FileAccess access) {
  FileSet set;
  set.specs_.assign(specs.begin(), specs.end());
  for (const FileSpec& spec : specs) set.names_.push_back(spec.path.string());
  // First as ordinary files: what fails here is wrong with the files, what fails below is only a refusal of
  // O_DIRECT.
  SLUICE_ASSIGN(set.files_, open_buffered(specs));
  if (access == FileAccess::kBuffered) return set;

  auto direct = open_all_direct(specs);
  if (!direct) {
    set.direct_refusal_ = std::move(direct.error().message);
    log_warn("direct reads are not possible, so the page cache holds a copy of what is read: {}",
             set.direct_refusal_);
    return set;
  }
  for (size_t i = 0; i < direct->size(); ++i) {
    set.files_[i] = std::move((*direct)[i].file);
    set.alignment_bytes_ = std::max(set.alignment_bytes_, (*direct)[i].alignment_bytes);
  }
  return set;
}

Result<int> FileSet::descriptor(uint32_t file) const {
  if (file < files_.size()) return files_[file].descriptor();
  return fail(ErrorCode::kInternal, "file number {} of a set of {}", file, files_.size());
}

Result<uint64_t> FileSet::read(uint32_t file, uint64_t offset_bytes, std::span<std::byte> into,
                               uint64_t needed_bytes) const {
  SLUICE_ASSIGN(const int from, descriptor(file));
  ReadProgress progress(offset_bytes, into, needed_bytes, alignment_bytes_);
  for (;;) {
    const std::span<std::byte> rest = progress.next_into();
    const ssize_t got =
        ::pread(from, rest.data(), rest.size(), static_cast<off_t>(progress.next_offset_bytes()));
    if (progress.advance(got < 0 ? -errno : got)) return progress.result(names_[file]);
    if (got < 0) std::this_thread::yield();
  }
}

}  // namespace sluice
