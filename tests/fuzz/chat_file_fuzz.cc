// Saved chats from any bytes: one that is read is written and read again as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/chat_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto chat = sluice::parse_chat_file(text, "f");
  if (!chat) {
    if (chat.error().code != sluice::ErrorCode::kInvalidArgument) std::abort();
    return 0;
  }
  const auto again = sluice::parse_chat_file(sluice::chat_file_text(*chat), "f");
  if (!again || sluice::chat_file_text(*again) != sluice::chat_file_text(*chat)) std::abort();
  return 0;
}
