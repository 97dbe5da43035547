// Any bytes as a file of expert digests: refused, or exactly what would be written for them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "experts/expert_digests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  const auto digests = sluice::ExpertDigests::parse(file, "fuzz");
  if (!digests) {
    if (digests.error().code != sluice::ErrorCode::kCorrupt) std::abort();
    return 0;
  }
  if (!std::ranges::equal(digests->serialise(), file)) std::abort();
  return 0;
}
