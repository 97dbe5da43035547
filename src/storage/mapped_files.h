// A checkpoint's files as memory: mapped read-only, held by the kernel's page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/extent.h"
#include "sluice/result.h"
#include "storage/file_set.h"

namespace sluice {

// Touching a mapped byte that cannot be read kills the process (SIGBUS): whoever wants an error instead calls
// populate() first. What stays open is the moment between populate() and the touch: a file that is cut short
// just then still kills. Thread rule: everything may be called from any number of threads.
class MappedFiles {
 public:
  // Errors as FileSet::open; kIo when the system refuses the mapping. One line of warning when the kernel
  // will not tell what is resident (see resident_bytes).
  static Result<MappedFiles> open(std::span<const FileSpec> specs);
  MappedFiles(MappedFiles&&) = default;
  MappedFiles& operator=(MappedFiles&&) = delete;
  ~MappedFiles();

  // The extent's bytes, inside the mapping. REQUIRES that it lies inside the file as it was opened.
  std::span<const std::byte> bytes(const Extent& extent) const;

  // Brings the extents into the page cache and into the page tables; blocks. kIo, naming file and offset,
  // when a file has become too short or the device fails. On kernels before 5.14 the second is not noticed
  // here.
  Status populate(std::span<const Extent> extents) const;

  // Asks the kernel to read the extent ahead, and returns without waiting. A hint: errors are ignored.
  void will_need(const Extent& extent) const;

  // How many bytes of the extent the page cache holds. 0 when the file no longer reaches the extent's end,
  // and where the kernel keeps it to itself: files that we neither own nor may write.
  uint64_t resident_bytes(const Extent& extent) const;

 private:
  struct Mapping {
    std::byte* data = nullptr;
    uint64_t size_bytes = 0;
    bool tells_residency = false;
    std::string name;
    File file;
  };

  MappedFiles() = default;
  static Status map_file(const FileSpec& spec, Mapping& into);
  Status check_size(const Extent& extent) const;
  Status populate_one(const Extent& extent) const;
  std::span<std::byte> pages(const Extent& extent) const;

  std::vector<Mapping> mappings_;
};

}  // namespace sluice
