#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/fail.h"

namespace sluice {

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<File> File::open_read(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (descriptor >= 0) return File(descriptor);
  const int reason = errno;  // before anything else can change it
  const ErrorCode code = reason == ENOENT || reason == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return fail(code, "{}: cannot open: {}", path.string(), errno_text(reason));
}

Result<uint64_t> File::size_bytes() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) return fail(ErrorCode::kIo, "fstat: {}", errno_text(errno));
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kInvalidArgument, "not a regular file");
  return static_cast<uint64_t>(info.st_size);
}

Status File::read_exactly(uint64_t offset_bytes, std::span<std::byte> into) const {
  const uint64_t wanted_bytes = into.size();
  while (!into.empty()) {
    const uint64_t at_bytes = offset_bytes + (wanted_bytes - into.size());
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(at_bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(ErrorCode::kIo, "read at byte {}: {}", at_bytes, errno_text(errno));
    if (got == 0) {
      return fail(ErrorCode::kIo, "the file ends at byte {}, {} bytes were expected from byte {}", at_bytes,
                  wanted_bytes, offset_bytes);
    }
    into = into.subspan(static_cast<size_t>(got));
  }
  return {};
}

Result<std::string> read_text_file(const std::filesystem::path& path, uint64_t limit_bytes) {
  SLUICE_ASSIGN(const File file, File::open_read(path));
  auto size = file.size_bytes();
  if (!size) return tl::unexpected(std::move(size.error()).in(path.string()));
  if (*size > limit_bytes) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} bytes, more than the {} that such a file may have",
                path.string(), *size, limit_bytes);
  }
  std::string text(*size, '\0');
  auto read = file.read_exactly(0, std::as_writable_bytes(std::span(text)));
  if (!read) return tl::unexpected(std::move(read.error()).in(path.string()));
  return text;
}

}  // namespace sluice
