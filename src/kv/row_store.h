// Rows of one width that are only ever appended: compressed keys/values and the indexer's keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/memory.h"
#include "sluice/numerics.h"
#include "sluice/result.h"

namespace sluice {

// Address space for all rows of a context is reserved at once; the system backs it as rows are written, and
// no row ever moves. One writer; readers may run beside each other, not beside the writer.
class RowStore {
 public:
  // Room for `capacity_rows` rows of `width` elements. kOutOfBudget when the system refuses.
  static Result<RowStore> create(size_t capacity_rows, uint32_t width, RowFormat format = RowFormat::kF32);

  // The place of the next row, to be filled by the caller. REQUIRES size() < capacity_rows.
  std::byte* append();
  const std::byte* row(size_t index) const { return memory_.data() + index * row_bytes(); }
  size_t size() const { return size_; }
  RowFormat format() const { return format_; }
  size_t row_bytes() const { return size_t{width_} * element_bytes(format_); }
  // The first `rows` rows, and after them nothing: for rows that were written elsewhere.
  void resize(size_t rows) { size_ = rows; }
  // Where the first `rows` rows stand.
  std::span<std::byte> bytes(size_t rows) const { return memory_.bytes().first(rows * row_bytes()); }
  void clear() { size_ = 0; }
  uint64_t reserved_bytes() const { return memory_.size_bytes(); }

 private:
  MappedMemory memory_;
  uint32_t width_ = 0;
  RowFormat format_ = RowFormat::kF32;
  size_t size_ = 0;
};

}  // namespace sluice
