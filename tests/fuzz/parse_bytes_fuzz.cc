// Any text is a size below 2^63 bytes or an error that quotes it, and a size is read back from its own
// digits.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/units.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bytes = sluice::parse_bytes(text);
  if (!bytes) {
    if (bytes.error().message.find(text) == std::string::npos) std::abort();
    return 0;
  }
  if (*bytes >= uint64_t{1} << 63) std::abort();
  if (sluice::parse_bytes(std::to_string(*bytes)).value_or(~*bytes) != *bytes) std::abort();
  return 0;
}
