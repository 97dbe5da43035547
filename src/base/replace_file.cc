#include "base/replace_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/fail.h"
#include "base/file.h"

namespace sluice {
namespace {

Status cannot(const char* what, const std::filesystem::path& path) {
  return fail(ErrorCode::kIo, "{}: cannot be {}: {}", path.string(), what, errno_text(errno));
}

constexpr std::string_view kFreshEnding = ".new";

Status append_to(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("written", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

Status write_and_rename(const std::filesystem::path& fresh, const std::filesystem::path& path,
                        const std::function<Status(const AppendBytes& append)>& fill) {
  const File file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.descriptor() < 0) return cannot("written", path);
  SLUICE_TRY(
      fill([&](std::span<const std::byte> bytes) { return append_to(file.descriptor(), bytes, path); }));
  if (::fsync(file.descriptor()) != 0) return cannot("written", path);
  return ::rename(fresh.c_str(), path.c_str()) == 0 ? Status() : cannot("replaced", path);
}

}  // namespace

Status replace_file(const std::filesystem::path& path,
                    const std::function<Status(const AppendBytes& append)>& fill) {
  // No two threads of a machine have the same number at one time; a file that a crash left is written over.
  const std::filesystem::path fresh = fmt::format("{}.{}{}", path.string(), ::gettid(), kFreshEnding);
  Status replaced = write_and_rename(fresh, path, fill);
  if (!replaced) ::unlink(fresh.c_str());
  return replaced;
}

Status replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  return replace_file(path, [&](const AppendBytes& append) { return append(bytes); });
}

bool is_half_written(const std::filesystem::path& path) {
  return path.native().ends_with(kFreshEnding);
}

}  // namespace sluice
