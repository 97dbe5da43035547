// The chat format under any bytes: as messages, as a completion, and as a completion that is streamed. The
// first byte holds the options.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat.h"
#include "text/completion_stream.h"
#include "text/python_json.h"

namespace {

using sluice::ThinkingMode;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_messages(std::string_view text, const sluice::ChatOptions& options) {
  const auto messages = sluice::parse_messages(text, "fuzz.json");
  if (!messages) return;
  const auto prompt = sluice::encode_chat(*messages, options);
  if (!prompt) return;
  size_t end = 0;
  for (const sluice::TextRange range : prompt->untrusted) {
    require(end <= range.begin && range.begin < range.end && range.end <= prompt->text.size());
    end = range.end;
  }
}

// What Python's spelling says must read back as the same.
void check_json(std::string_view text) {
  const auto value = sluice::parse_json(text);
  if (!value) return;
  const std::string written = sluice::python_json(*value);
  const auto again = sluice::parse_json(written);
  require(again.has_value() && sluice::python_json(*again) == written);
}

std::vector<sluice::CompletionPart> streamed(std::string_view text, ThinkingMode mode, size_t step) {
  sluice::CompletionStream stream(mode);
  std::vector<sluice::CompletionPart> joined;
  const auto join = [&](const std::vector<sluice::CompletionPart>& parts) {
    for (const auto& part : parts) {
      if (!joined.empty() && joined.back().kind == part.kind) {
        joined.back().text += part.text;
      } else {
        joined.push_back(part);
      }
    }
  };
  for (size_t at = 0; at < text.size(); at += step) join(stream.push(text.substr(at, step)));
  join(stream.finish());
  return joined;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ThinkingMode mode = (data[0] & 1) != 0 ? ThinkingMode::kThinking : ThinkingMode::kChat;
  const sluice::ChatOptions options{.thinking_mode = mode,
                                    .drop_thinking = (data[0] & 2) != 0,
                                    .reasoning_effort = (data[0] & 4) != 0
                                                            ? sluice::ReasoningEffort::kMax
                                                            : sluice::ReasoningEffort::kDefault,
                                    .add_bos = (data[0] & 8) != 0};
  check_messages(text, options);
  check_json(text);
  if (const auto message = sluice::parse_completion(text, mode)) {
    require(text.starts_with(message->reasoning_content));
  }
  require(streamed(text, mode, 1 + data[0] % 16u) == streamed(text, mode, text.size() + 1));
  return 0;
}
