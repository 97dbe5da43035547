// A checkpoint's files, opened once and read at offsets by many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "sluice/result.h"

namespace sluice {

// A file and the size that it must have.
struct FileSpec {
  std::filesystem::path path;
  uint64_t size_bytes = 0;
};

// Whether reads go through the kernel's page cache.
enum class FileAccess {
  kBuffered,
  kDirect,  // O_DIRECT: the bytes go to the destination alone; everything must be aligned
};

// Thread rule: read() may run on any number of threads.
class FileSet {
 public:
  // Opens every file of `specs`; a file's index in it is its number from here on. kNotFound or kIo when one
  // does not open, kCorrupt when its size is not the one expected. Where the file system refuses kDirect for
  // any of the files, all are read through the page cache, and one line of warning says so.
  static Result<FileSet> open(std::span<const FileSpec> specs, FileAccess access);

  // What is in force, not what was asked for.
  bool is_direct() const { return alignment_bytes_ > 1; }
  // Why direct reads, which were asked for, are not: for people. Empty otherwise.
  const std::string& direct_refusal() const { return direct_refusal_; }
  // What offsets, sizes and addresses of reads must be multiples of: a power of two; 1 when buffered.
  size_t alignment_bytes() const { return alignment_bytes_; }

  size_t count() const { return files_.size(); }
  uint64_t size_bytes(uint32_t file) const { return specs_[file].size_bytes; }
  // The file's path, for messages.
  const std::string& name(uint32_t file) const { return names_[file]; }

  // What system calls want; owned by the set. kInternal when there is no such file.
  Result<int> descriptor(uint32_t file) const;

  // Reads on the calling thread: fills `into` from `offset_bytes`, both aligned; at least `needed_bytes`
  // (1 ... into.size()) must arrive. Returns how many did; kIo, naming file and offset, otherwise.
  Result<uint64_t> read(uint32_t file, uint64_t offset_bytes, std::span<std::byte> into,
                        uint64_t needed_bytes) const;

 private:
  std::vector<FileSpec> specs_;
  std::vector<std::string> names_;
  std::vector<File> files_;
  size_t alignment_bytes_ = 1;
  std::string direct_refusal_;
};

}  // namespace sluice
