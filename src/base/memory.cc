#include "base/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kPageBytes = 4096;
// More than any address space holds, and small enough that rounding up and slack cannot wrap around.
constexpr size_t kLimitBytes = size_t{1} << 62;
}  // namespace

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedMemory::~MappedMemory() {
  if (data_ != nullptr) ::munmap(data_, round_up(size_bytes_, kPageBytes));
}

Result<MappedMemory> MappedMemory::allocate(size_t size_bytes) {
  MappedMemory memory;
  if (size_bytes == 0) return memory;
  if (size_bytes > kLimitBytes) {
    return fail(ErrorCode::kOutOfBudget, "cannot reserve {} bytes of memory: no machine has as much",
                size_bytes);
  }
  const size_t mapped_bytes = round_up(size_bytes, kPageBytes);
  const size_t slack_bytes = mapped_bytes >= kHugePageBytes ? kHugePageBytes : 0;
  void* raw = ::mmap(nullptr, mapped_bytes + slack_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    return fail(ErrorCode::kOutOfBudget, "cannot reserve {} bytes of memory: {}", size_bytes,
                errno_text(errno));
  }
  auto* start = static_cast<std::byte*>(raw);
  if (slack_bytes > 0) {
    // Give back what lies before the first huge-page boundary and after the end.
    auto* aligned = start + (round_up(reinterpret_cast<uintptr_t>(start), kHugePageBytes) -
                             reinterpret_cast<uintptr_t>(start));
    const auto before = static_cast<size_t>(aligned - start);
    if (before > 0) ::munmap(start, before);
    if (slack_bytes > before) ::munmap(aligned + mapped_bytes, slack_bytes - before);
    start = aligned;
    ::madvise(start, mapped_bytes, MADV_HUGEPAGE);  // a wish: small pages are slower, not wrong
  }
  memory.data_ = start;
  memory.size_bytes_ = size_bytes;
  return memory;
}

}  // namespace sluice
