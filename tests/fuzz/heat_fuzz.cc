// Any bytes as heat: refused with a reason, or heat that is written and read back to the same. The checksum
// would hide everything behind it from chance, so the bytes are tried with a checksum that fits, too.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "experts/heat.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view bytes) {
  const sluice::HeatOwner owner{"fuzz", 2, 3};
  auto heat = sluice::Heat::decode(bytes, owner);
  if (!heat) {
    require(!heat.error().message.empty());
    return;
  }
  require(heat->encode() == bytes);
  require(heat->hottest(4).size() <= 4);
  const uint32_t experts[] = {4, 5};
  heat->on_route(1, experts);
  require(heat->of(4) > 0 && heat->hottest(6).size() >= 2);
}

std::string sealed(std::string_view bytes) {
  std::string whole(bytes);
  const uint64_t sum = XXH3_64bits(whole.data(), whole.size());
  for (size_t i = 0; i < 8; ++i) whole += static_cast<char>(sum >> (8 * i) & 0xff);
  return whole;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(sealed(bytes));
  return 0;
}
