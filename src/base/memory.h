// Memory from the operating system: aligned, zeroed, committed only when touched.
#pragma once

#include <cstddef>
#include <span>

#include "sluice/result.h"

namespace sluice {

// An anonymous mapping, at least page aligned (2 MiB aligned and advised to huge pages from 2 MiB on). The
// size is reserved at once and backed by the kernel page by page as it is first touched. Owns; movable.
class MappedMemory {
 public:
  MappedMemory() = default;
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;
  ~MappedMemory();

  // kOutOfBudget when the system refuses. size_bytes may be 0: an empty mapping.
  static Result<MappedMemory> allocate(size_t size_bytes);

  std::byte* data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }
  std::span<std::byte> bytes() const { return {data_, size_bytes_}; }

 private:
  std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
};

constexpr size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
constexpr size_t round_down(size_t value, size_t multiple) {
  return value / multiple * multiple;
}

}  // namespace sluice
