#include "kv/row_store.h"

#include <cassert>

namespace sluice {

Result<RowStore> RowStore::create(size_t capacity_rows, uint32_t width) {
  RowStore store;
  SLUICE_ASSIGN(store.memory_, MappedMemory::allocate(capacity_rows * width * sizeof(float)));
  store.width_ = width;
  return store;
}

float* RowStore::append() {
  assert((size_ + 1) * width_ * sizeof(float) <= memory_.size_bytes());
  return data() + size_++ * width_;
}

}  // namespace sluice
