#include "model/workspace.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sluice {

Result<Workspace> Workspace::create(uint64_t capacity_bytes) {
  Workspace workspace;
  SLUICE_ASSIGN(workspace.memory_, MappedMemory::allocate(capacity_bytes));
  return workspace;
}

float* Workspace::floats(size_t count) {
  return reinterpret_cast<float*>(take(count * sizeof(float)));
}

uint32_t* Workspace::indices(size_t count) {
  return reinterpret_cast<uint32_t*>(take(count * sizeof(uint32_t)));
}

std::byte* Workspace::take(size_t size_bytes) {
  std::byte* start = memory_.data() + used_bytes_;
  used_bytes_ += round_up(size_bytes, 64);
  if (used_bytes_ > memory_.size_bytes()) {
    std::fprintf(stderr, "sluice: the workspace of %zu bytes was planned too small; please report this\n",
                 memory_.size_bytes());
    std::abort();
  }
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return start;
}

}  // namespace sluice
