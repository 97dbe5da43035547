// A file descriptor that closes itself, and the few whole-file operations that need no streaming.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "sluice/result.h"

namespace sluice {

// Owns a descriptor; movable, not copyable. Thread rule: reads at offsets may run in parallel, closing may
// not.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  // Opens for reading. `flags` is or-ed to O_RDONLY | O_CLOEXEC (O_DIRECT, ...).
  // kNotFound when there is no such file, kIo with the path and the system's reason otherwise.
  static Result<File> open_read(const std::filesystem::path& path, int flags = 0);

  int descriptor() const { return descriptor_; }
  Result<uint64_t> size_bytes() const;

  // Fills `into` from `offset_bytes`, going on after short reads and EINTR. kIo when the file ends early.
  Status read_exactly(uint64_t offset_bytes, std::span<std::byte> into) const;

 private:
  int descriptor_ = -1;
};

// A whole small file as text. kInvalidArgument when it is larger than `limit_bytes`: callers parse it in
// memory.
Result<std::string> read_text_file(const std::filesystem::path& path, uint64_t limit_bytes);

}  // namespace sluice
