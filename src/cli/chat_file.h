// A conversation in a file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "text/chat.h"

namespace sluice {

// What a chat is besides its model: enough to go on with it, also elsewhere.
struct SavedChat {
  std::optional<ChatMessage> system{};
  Conversation turns{};  // without the system message; they end with an answer
  ThinkingMode thinking_mode = ThinkingMode::kChat;
  ReasoningEffort reasoning_effort = ReasoningEffort::kDefault;

  bool operator==(const SavedChat&) const = default;
};

// JSON, a message a line:
//   {"format": "sluice-chat", "version": 1, "thinking": false, "effort": "default", "messages": [
//   {"role": "system", "content": "...", "tools": [...]},
//   {"role": "user", "content": "..."}, ...
//   ]}
// Messages have OpenAI's shape, so that `sluice prompt` reads the file too. Bytes that are not UTF-8 become
// U+FFFD.
std::string chat_file_text(const SavedChat& chat);

// What chat_file_text wrote, every field of it checked. kInvalidArgument, naming file and field, for anything
// else: no JSON, another format, a version of another program, messages that are no conversation.
Result<SavedChat> parse_chat_file(std::string_view text, const std::string& file_name);

// In the place of what is at `path`, whole or not at all. kInvalidArgument when that is another file than a
// saved chat: nobody wants it overwritten by a slip. kIo of writing.
Status save_chat(const std::filesystem::path& path, const SavedChat& chat);

// kNotFound, kIo, and as parse_chat_file.
Result<SavedChat> load_chat(const std::filesystem::path& path);

// "~/chat.json" with the home folder in front, as a shell would have it; other paths as they are.
std::filesystem::path path_as_typed(std::string_view text);

}  // namespace sluice
