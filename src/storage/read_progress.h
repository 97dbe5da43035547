// One read on its way: what to ask the kernel for next, and when it has ended. The one place that knows what
// short reads, interruptions and the end of a file mean, for every reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/result.h"

namespace sluice {

class ReadProgress {
 public:
  // Of `into.size()` bytes at `offset_bytes`, `needed_bytes` (>= 1) must arrive. Every step starts at a
  // multiple of `alignment_bytes` from the start of `into`.
  ReadProgress(uint64_t offset_bytes, std::span<std::byte> into, uint64_t needed_bytes,
               size_t alignment_bytes);

  // What the next system call reads, and to where. Never empty before the end.
  uint64_t next_offset_bytes() const { return offset_bytes_ + resume_bytes_; }
  std::span<std::byte> next_into() const { return into_.subspan(resume_bytes_); }

  // Takes what one system call said: the bytes it moved, or a negative errno. True when the read has ended.
  // Not the end: short reads; interruptions (EINTR, EAGAIN), unless thousands come in a row; the first EIO.
  bool advance(int64_t outcome);

  // REQUIRES that advance() returned true. The bytes that arrived, or kIo with `file_name`, size, offset and
  // cause.
  Result<uint64_t> result(std::string_view file_name) const;

 private:
  uint64_t offset_bytes_;
  std::span<std::byte> into_;
  uint64_t needed_bytes_;
  size_t alignment_bytes_;
  uint64_t arrived_bytes_ = 0;
  uint64_t resume_bytes_ = 0;  // arrived_bytes_, rounded down to the alignment
  int interruptions_ = 0;      // since bytes last arrived
  bool had_device_error_ = false;
  int error_number_ = 0;
};

}  // namespace sluice
