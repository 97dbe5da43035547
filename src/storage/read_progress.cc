#include "storage/read_progress.h"

#include <cassert>
#include <cerrno>
#include <utility>

#include "base/fail.h"
#include "base/memory.h"

namespace sluice {
namespace {
// A device that is busy for longer than this many yields of the processor will not answer at all.
constexpr int kMaxInterruptions = 10'000;
}  // namespace

ReadProgress::ReadProgress(uint64_t offset_bytes, std::span<std::byte> into, uint64_t needed_bytes,
                           size_t alignment_bytes)
    : offset_bytes_(offset_bytes),
      into_(into),
      needed_bytes_(needed_bytes),
      alignment_bytes_(alignment_bytes) {
  assert(needed_bytes >= 1 && needed_bytes <= into.size());
}

bool ReadProgress::advance(int64_t outcome) {
  const bool interrupted = outcome == -EINTR || outcome == -EAGAIN;
  if (interrupted && ++interruptions_ <= kMaxInterruptions) return false;
  // A path to the device that fails over, or a sector that the device then remaps, answers the second time.
  if (outcome == -EIO && !std::exchange(had_device_error_, true)) return false;
  if (outcome < 0) {
    error_number_ = static_cast<int>(-outcome);
    return true;
  }
  const uint64_t reached_bytes = resume_bytes_ + static_cast<uint64_t>(outcome);
  // Nothing new: the end of the file. (After a step back to the alignment, old bytes come again before it.)
  if (reached_bytes <= arrived_bytes_) return true;
  interruptions_ = 0;
  arrived_bytes_ = reached_bytes;
  resume_bytes_ = round_down(arrived_bytes_, alignment_bytes_);
  return arrived_bytes_ >= needed_bytes_;
}

Result<uint64_t> ReadProgress::result(std::string_view file_name) const {
  if (error_number_ != 0) {
    return fail(ErrorCode::kIo, "{}: read of {} bytes at byte {}: {}", file_name, into_.size(), offset_bytes_,
                errno_text(error_number_));
  }
  if (arrived_bytes_ < needed_bytes_) {
    return fail(ErrorCode::kIo,
                "{}: read of {} bytes at byte {}: the file ends at byte {}, at least {} bytes were expected",
                file_name, into_.size(), offset_bytes_, offset_bytes_ + arrived_bytes_,
                offset_bytes_ + needed_bytes_);
  }
  return arrived_bytes_;
}

}  // namespace sluice
