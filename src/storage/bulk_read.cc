#include "storage/bulk_read.h"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/fail.h"

namespace sluice {
namespace {

// Large enough for a disk's full speed, small enough to share a big tensor among threads and to stop soon.
constexpr uint64_t kPieceBytes = uint64_t{8} << 20;

Status check(const FileSet& files, const BulkRead& read) {
  const Extent& extent = read.extent;
  if (extent.file >= files.count()) {
    return fail(ErrorCode::kInvalidArgument, "file number {} of a set of {}", extent.file, files.count());
  }
  const uint64_t size_bytes = files.size_bytes(extent.file);
  if (extent.size_bytes > size_bytes || extent.offset_bytes > size_bytes - extent.size_bytes) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} bytes at byte {} lie outside the file's {} bytes",
                files.name(extent.file), extent.size_bytes, extent.offset_bytes, size_bytes);
  }
  if (read.into.size() != extent.size_bytes) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} bytes at byte {} into a buffer of {}",
                files.name(extent.file), extent.size_bytes, extent.offset_bytes, read.into.size());
  }
  return {};
}

std::vector<BulkRead> cut_in_file_order(std::span<const BulkRead> reads) {
  std::vector<BulkRead> pieces;
  for (const BulkRead& read : reads) {
    for (uint64_t at = 0; at < read.extent.size_bytes; at += kPieceBytes) {
      const uint64_t size_bytes = std::min(kPieceBytes, read.extent.size_bytes - at);
      pieces.push_back(
          {{read.extent.file, read.extent.offset_bytes + at, size_bytes}, read.into.subspan(at, size_bytes)});
    }
  }
  std::ranges::sort(pieces, {}, [](const BulkRead& piece) {
    return std::tuple(piece.extent.file, piece.extent.offset_bytes);
  });
  return pieces;
}

// The pieces that are left, shared by the reading threads.
class BulkJob {
 public:
  BulkJob(const FileSet& files, std::vector<BulkRead> pieces, const BulkProgress& progress,
          const std::stop_token& cancel)
      : files_(files), pieces_(std::move(pieces)), progress_(progress), cancel_(cancel) {
    for (const BulkRead& piece : pieces_) total_bytes_ += piece.extent.size_bytes;
  }

  size_t pieces() const { return pieces_.size(); }

  void work() {
    while (const BulkRead* piece = take()) {
      const Extent& extent = piece->extent;
      auto arrived = files_.read(extent.file, extent.offset_bytes, piece->into, extent.size_bytes);
      if (!arrived) {
        stop(std::move(arrived).error());
      } else {
        report(extent.size_bytes);
      }
    }
  }

  Status result() && {
    if (error_) return tl::unexpected(std::move(*error_));
    return {};
  }

 private:
  const BulkRead* take() {
    const std::lock_guard lock(mutex_);
    if (error_ || next_ == pieces_.size()) return nullptr;
    if (cancel_.stop_requested()) {
      error_ = Error{ErrorCode::kCancelled, "reading was cancelled"};
      return nullptr;
    }
    return &pieces_[next_++];
  }

  void stop(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }

  void report(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_bytes_ += bytes;
    if (progress_) progress_(done_bytes_, total_bytes_);
  }

  const FileSet& files_;
  const std::vector<BulkRead> pieces_;
  const BulkProgress& progress_;
  const std::stop_token& cancel_;
  uint64_t total_bytes_ = 0;
  std::mutex mutex_;
  size_t next_ = 0;             // guarded by mutex_
  uint64_t done_bytes_ = 0;     // guarded by mutex_
  std::optional<Error> error_;  // guarded by mutex_
};

}  // namespace

Status read_all(const FileSet& files, std::span<const BulkRead> reads, size_t threads,
                const BulkProgress& progress, const std::stop_token& cancel) {
  assert(threads >= 1);
  if (files.is_direct()) {
    return fail(ErrorCode::kInvalidArgument, "bulk reads need files that were opened buffered");
  }
  for (const BulkRead& read : reads) SLUICE_TRY(check(files, read));
  BulkJob job(files, cut_in_file_order(reads), progress, cancel);
  {
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min(threads, job.pieces()); ++i) helpers.emplace_back([&job] { job.work(); });
    job.work();
  }
  return std::move(job).result();
}

}  // namespace sluice
