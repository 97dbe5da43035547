#include "experts/digest_experts.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/fail.h"
#include "base/memory.h"
#include "experts/slot_layout.h"
#include "storage/file_set.h"

namespace sluice {
namespace {

class Digesting {
 public:
  Digesting(const ExpertCatalog& catalog, const FileSet& files, const DigestOptions& options)
      : catalog_(catalog),
        files_(files),
        options_(options),
        layout_(catalog, files.alignment_bytes()),
        digests_(catalog.layers(), catalog.experts_per_layer()) {}

  Result<ExpertDigests> run() {
    {
      std::vector<std::jthread> threads;
      for (size_t i = 0; i < options_.threads; ++i) threads.emplace_back([this] { work(); });
    }
    if (!status_) return tl::unexpected(status_.error());
    return std::move(digests_);
  }

 private:
  void work() {
    auto slot = MappedMemory::allocate(layout_.slot_bytes());
    if (!slot) return note(tl::unexpected(slot.error()));
    while (!stopped_) {
      const uint32_t expert = next_++;
      if (expert >= catalog_.expert_count()) return;
      note(options_.cancel.stop_requested() ? Status(fail(ErrorCode::kCancelled, "interrupted"))
                                            : digest(expert, slot->bytes()));
    }
  }

  Status digest(uint32_t expert, std::span<std::byte> slot) {
    for (const SlotRead& read : layout_.reads(expert)) {
      auto done = files_.read(read.file, read.offset_bytes,
                              slot.subspan(read.slot_offset_bytes, read.size_bytes), read.needed_bytes);
      if (!done) return tl::unexpected(std::move(done).error());
    }
    std::vector<std::span<const std::byte>> parts;
    const auto extents = catalog_.parts(expert);
    for (size_t part = 0; part < extents.size(); ++part) {
      parts.push_back(slot.subspan(layout_.part_offset_bytes(expert, part), extents[part].size_bytes));
    }
    digests_.set(expert, ExpertDigests::digest_of(parts));
    const std::lock_guard lock(mutex_);
    done_bytes_ += catalog_.expert_bytes(expert);
    if (options_.on_progress) options_.on_progress(done_bytes_, catalog_.total_bytes());
    return {};
  }

  // Keeps the first error and stops everybody.
  void note(Status status) {
    if (status) return;
    const std::lock_guard lock(mutex_);
    if (status_) status_ = std::move(status);
    stopped_ = true;
  }

  const ExpertCatalog& catalog_;
  const FileSet& files_;
  const DigestOptions& options_;
  SlotLayout layout_;
  ExpertDigests digests_;  // each entry is written by one thread
  std::atomic<uint32_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  uint64_t done_bytes_ = 0;  // guarded by mutex_
  Status status_;            // guarded by mutex_
};

}  // namespace

Result<ExpertDigests> digest_experts(const ExpertCatalog& catalog, std::span<const FileSpec> files,
                                     const DigestOptions& options) {
  SLUICE_ASSIGN(const FileSet opened, FileSet::open(files, FileAccess::kDirect));
  return Digesting(catalog, opened, options).run();
}

}  // namespace sluice
