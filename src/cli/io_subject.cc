#include "cli/io_subject.h"

#include <algorithm>

#include "base/fail.h"
#include "base/memory.h"
#include "base/units.h"
#include "checkpoint/checkpoint.h"
#include "experts/slot_layout.h"
#include "model/bind_weights.h"

namespace sluice {
namespace {

constexpr size_t kSectorBytes = 4096;  // what direct reads are aligned to, at least

Result<FileSpec> spec_of(const std::filesystem::path& path) {
  std::error_code error;
  const uint64_t size_bytes = std::filesystem::file_size(path, error);
  if (error) return fail(ErrorCode::kNotFound, "{}: {}", path.string(), error.message());
  return FileSpec{path, size_bytes};
}

Result<std::shared_ptr<const FileSet>> open_files(const std::vector<std::filesystem::path>& paths) {
  std::vector<FileSpec> specs;
  for (const auto& path : paths) {
    SLUICE_ASSIGN(FileSpec spec, spec_of(path));
    specs.push_back(std::move(spec));
  }
  SLUICE_ASSIGN(auto files, FileSet::open(specs, FileAccess::kDirect));
  return std::make_shared<const FileSet>(std::move(files));
}

}  // namespace

Result<IoSubject> experts_subject(const std::filesystem::path& folder) {
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  IoSubject subject;
  SLUICE_ASSIGN(subject.files, open_files(checkpoint.files()));
  const SlotLayout layout(storage.catalog(), subject.files->alignment_bytes());
  uint64_t total_bytes = 0;
  for (uint32_t expert = 0; expert < storage.catalog().expert_count(); ++expert) {
    for (const SlotRead& read : layout.reads(expert)) {
      subject.extents.push_back({read.file, read.offset_bytes, read.needed_bytes});
      subject.largest_bytes = std::max(subject.largest_bytes, read.size_bytes);
      total_bytes += read.size_bytes;
    }
  }
  subject.typical_bytes = total_bytes / subject.extents.size();
  subject.name = fmt::format("the {} reads of {}'s experts, {} each on average", subject.extents.size(),
                             folder.string(), format_bytes(subject.typical_bytes));
  return subject;
}

Result<IoSubject> blocks_subject(const std::filesystem::path& path, uint64_t block_bytes) {
  IoSubject subject;
  SLUICE_ASSIGN(subject.files, open_files({path}));
  const uint64_t file_bytes = subject.files->size_bytes(0);
  subject.block_bytes = round_up(block_bytes, kSectorBytes);
  if (block_bytes == 0 || subject.block_bytes > file_bytes) {
    return fail(ErrorCode::kInvalidArgument, "--block: {} has no block of {} bytes in its {}", path.string(),
                subject.block_bytes, file_bytes);
  }
  subject.extents = {{0, 0, file_bytes}};
  subject.typical_bytes = subject.largest_bytes = subject.block_bytes;
  subject.name = fmt::format("blocks of {} in {} ({})", format_bytes(subject.block_bytes), path.string(),
                             format_bytes(file_bytes));
  return subject;
}

}  // namespace sluice
