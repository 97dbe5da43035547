// Memory that io_uring keeps ready for reads: pinned and looked up once, not for every read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

struct io_uring;  // liburing.h

namespace sluice {

// A buffer is registered when it is first read into: registering touches and pins all of its pages, which a
// run that never fills them should not pay for, and at the start nobody should wait for. What the kernel
// refuses (before 5.19, or beyond RLIMIT_MEMLOCK, which is small for ordinary users) is read into as any
// memory.
//
// Used by one thread at a time.
class RingBuffers {
 public:
  // Places that the kernel's table has at most; the buffers beyond them are never registered.
  static constexpr size_t kMaxBuffers = size_t{1} << 14;

  // Forgets the former buffers. `ring` must outlive the use of these; nothing may be in flight. They must not
  // overlap.
  void reset(io_uring& ring, std::vector<std::span<std::byte>> buffers);

  // The place in the kernel's table of the buffer that holds all of `into`; none when there is no such
  // buffer, or it could not be registered.
  std::optional<uint16_t> place_of(std::span<const std::byte> into);

  // How many the kernel holds now.
  size_t registered() const { return registered_; }

 private:
  struct Buffer {
    std::span<std::byte> bytes;
    bool is_registered = false;
  };

  bool add(uint16_t place);

  io_uring* ring_ = nullptr;
  std::vector<Buffer> buffers_;  // ascending by address
  size_t registered_ = 0;
  bool has_table_ = false;
  bool may_add_ = false;  // until the kernel refuses one: the next ones would fare no better
};

}  // namespace sluice
