// A server's answer in OpenAI's shape, put together from the pieces in which it streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"
#include "text/chat.h"
#include "text/completion_stream.h"

namespace sluice {

struct JsonValue;  // text/python_json.h

// One answer. Unknown fields are ignored, null counts as absent; what a field of another type says is not
// guessed. Not thread safe.
class StreamedAnswer {
 public:
  // Of "usage".
  struct Usage {
    uint64_t prompt_tokens = 0;
    uint64_t cached_tokens = 0;  // of these
    uint64_t completion_tokens = 0;
  };

  // Takes the data of one event, and gives what is to be shown of it. kCorrupt, naming the field, for what no
  // such server says, and for more than 64 MiB of answer; kIo with the server's own words when it says that
  // it failed.
  Result<std::vector<CompletionPart>> take(std::string_view data);

  // "[DONE]" or a finish reason has come: nothing is missing.
  bool is_whole() const { return is_done_ || !finish_reason_.empty(); }
  const std::string& finish_reason() const { return finish_reason_; }  // "stop", "length", ...
  const std::optional<Usage>& usage() const { return usage_; }
  // As far as it has come.
  const ChatMessage& message() const { return message_; }

 private:
  Result<std::vector<CompletionPart>> take_delta(const JsonValue& delta);
  Status take_calls(const JsonValue& calls);
  Status take_usage(const JsonValue& usage);
  Status grow(size_t bytes);

  ChatMessage message_{.role = ChatRole::kAssistant};
  std::string finish_reason_;
  std::optional<Usage> usage_;
  bool is_done_ = false;
  size_t size_bytes_ = 0;
};

// What an error document says: its "error.message", in OpenAI's and Anthropic's shape alike; else the start
// of the body itself.
std::string error_message_of(std::string_view body);

}  // namespace sluice
