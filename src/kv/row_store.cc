#include "kv/row_store.h"

#include <cassert>

namespace sluice {

Result<RowStore> RowStore::create(size_t capacity_rows, uint32_t width, RowFormat format) {
  RowStore store;
  store.width_ = width;
  store.format_ = format;
  SLUICE_ASSIGN(store.memory_, MappedMemory::allocate(capacity_rows * store.row_bytes()));
  return store;
}

std::byte* RowStore::append() {
  assert((size_ + 1) * row_bytes() <= memory_.size_bytes());
  return memory_.data() + size_++ * row_bytes();
}

}  // namespace sluice
