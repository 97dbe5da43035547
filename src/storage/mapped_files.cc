#include "storage/mapped_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/fail.h"
#include "base/log.h"
#include "base/memory.h"

namespace sluice {
namespace {

// The kernel's own rule for mincore: owners and possible writers are told, to everyone else all is resident.
bool may_ask_residency(const File& file, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(file.descriptor(), &info) == 0 && info.st_uid == ::geteuid()) return true;
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

size_t page_bytes() {
  return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

MappedFiles::~MappedFiles() {
  for (const Mapping& mapping : mappings_) {
    if (mapping.data != nullptr) ::munmap(mapping.data, mapping.size_bytes);
  }
}

Status MappedFiles::map_file(const FileSpec& spec, Mapping& into) {
  SLUICE_ASSIGN(into.file, File::open_read(spec.path));
  into.name = spec.path.string();
  into.tells_residency = may_ask_residency(into.file, spec.path);
  if (spec.size_bytes == 0) return {};
  void* data = ::mmap(nullptr, spec.size_bytes, PROT_READ, MAP_SHARED, into.file.descriptor(), 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::kIo, "{}: cannot map {} bytes: {}", into.name, spec.size_bytes, errno_text(errno));
  }
  into.data = static_cast<std::byte*>(data);
  into.size_bytes = spec.size_bytes;
  return {};
}

Result<MappedFiles> MappedFiles::open(std::span<const FileSpec> specs) {
  SLUICE_TRY(FileSet::open(specs, FileAccess::kBuffered));  // existence and sizes
  MappedFiles files;
  files.mappings_.resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) SLUICE_TRY(map_file(specs[i], files.mappings_[i]));
  const auto silent = std::ranges::find(files.mappings_, false, &Mapping::tells_residency);
  if (silent != files.mappings_.end()) {
    log_warn("{}: the kernel tells only its owner or a writer what of it is in memory: hits count as misses",
             silent->name);
  }
  return files;
}

std::span<const std::byte> MappedFiles::bytes(const Extent& extent) const {
  return {mappings_[extent.file].data + extent.offset_bytes, extent.size_bytes};
}

std::span<std::byte> MappedFiles::pages(const Extent& extent) const {
  const uint64_t begin = round_down(extent.offset_bytes, page_bytes());
  const uint64_t end = round_up(extent.end_bytes(), page_bytes());
  return {mappings_[extent.file].data + begin, end - begin};
}

Status MappedFiles::check_size(const Extent& extent) const {
  const Mapping& mapping = mappings_[extent.file];
  auto size = mapping.file.size_bytes();
  if (!size) return tl::unexpected(std::move(size.error()).in(mapping.name));
  if (*size < extent.end_bytes()) {
    return fail(
        ErrorCode::kIo,
        "{}: {} bytes at byte {}: the file ends at byte {} although it had {} bytes when it was opened",
        mapping.name, extent.size_bytes, extent.offset_bytes, *size, mapping.size_bytes);
  }
  return {};
}

void MappedFiles::will_need(const Extent& extent) const {
  // Linux reads no more of a wish than the device's longest request, so a long one is made in pieces.
  constexpr size_t kPieceBytes = size_t{256} << 10;
  for (std::span<std::byte> range = pages(extent); !range.empty();) {
    const size_t bytes = std::min(range.size(), kPieceBytes);
    ::madvise(range.data(), bytes, MADV_WILLNEED);
    range = range.subspan(bytes);
  }
}

Status MappedFiles::populate(std::span<const Extent> extents) const {
  // First all wishes, so that the device sees every extent at once; then each is waited for.
  for (const Extent& extent : extents) will_need(extent);
  for (const Extent& extent : extents) SLUICE_TRY(populate_one(extent));
  return {};
}

Status MappedFiles::populate_one(const Extent& extent) const {
  SLUICE_TRY(check_size(extent));
#ifdef MADV_POPULATE_READ
  const std::span<std::byte> range = pages(extent);
  int outcome = 0;
  do {
    outcome = ::madvise(range.data(), range.size(), MADV_POPULATE_READ);
  } while (outcome != 0 && (errno == EINTR || errno == EAGAIN));
  // EINVAL: a kernel that does not know the call. The size was checked, which is all that can be had there.
  if (outcome != 0 && errno != EINVAL) {
    // "Bad address" is how the kernel says that a page could not be had.
    return fail(ErrorCode::kIo, "{}: {} bytes at byte {}: {}", mappings_[extent.file].name, extent.size_bytes,
                extent.offset_bytes, errno_text(errno == EFAULT ? EIO : errno));
  }
#endif
  return {};
}

uint64_t MappedFiles::resident_bytes(const Extent& extent) const {
  const Mapping& mapping = mappings_[extent.file];
  if (!mapping.tells_residency || !check_size(extent).has_value()) return 0;
  const std::span<std::byte> range = pages(extent);
  const size_t page = page_bytes();
  std::vector<unsigned char> flags(range.size() / page);
  if (::mincore(range.data(), range.size(), flags.data()) != 0) return 0;
  uint64_t resident = 0;
  uint64_t begin = round_down(extent.offset_bytes, page);
  for (const unsigned char flag : flags) {
    const uint64_t from = std::max(begin, extent.offset_bytes);
    const uint64_t to = std::min(begin + page, extent.end_bytes());
    if ((flag & 1U) != 0) resident += to - from;
    begin += page;
  }
  return resident;
}

}  // namespace sluice
