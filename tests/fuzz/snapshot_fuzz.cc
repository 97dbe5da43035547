// Any bytes as the head of a snapshot: refused with a reason, or a head that is written again to the same.
// The checksum would hide everything behind it from chance, so the bytes are tried with a checksum and a
// file's size that fit, too.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "kv/snapshot_file.h"

namespace {

constexpr uint64_t kMaxTokens = 1 << 20;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view bytes, uint64_t file_bytes) {
  const auto head_bytes = sluice::snapshot_head_bytes(bytes, file_bytes, kMaxTokens);
  if (head_bytes) require(*head_bytes <= file_bytes);
  const auto head = sluice::decode_snapshot_head(bytes, file_bytes, kMaxTokens);
  if (!head) {
    require(!head.error().message.empty());
    return;
  }
  require(head_bytes && *head_bytes == bytes.size());
  require(sluice::encode_snapshot_head(*head) == bytes);
  require(sluice::snapshot_file_bytes(*head) == file_bytes);
}

std::string sealed(std::string_view bytes) {
  std::string whole(bytes);
  const uint64_t sum = XXH3_64bits(whole.data(), whole.size());
  for (size_t i = 0; i < 8; ++i) whole += static_cast<char>(sum >> (8 * i) & 0xff);
  return whole;
}

// The size that a file would have whose head says so.
uint64_t fitting_bytes(std::string_view bytes, uint64_t head_bytes) {
  uint64_t state_bytes = 0;
  for (size_t i = 0; i < 8 && 30 + i < bytes.size(); ++i)
    state_bytes |= uint64_t{static_cast<unsigned char>(bytes[30 + i])} << (8 * i);
  return head_bytes + state_bytes + 8;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes, size);
  check(bytes, fitting_bytes(bytes, size));
  const std::string whole = sealed(bytes);
  check(whole, fitting_bytes(whole, whole.size()));
  return 0;
}
