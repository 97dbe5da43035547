// The options that say how a conversation is put to the model.
#pragma once

#include <optional>
#include <string>

#include "text/chat.h"

namespace CLI {
class App;
}

namespace sluice {

struct ChatFlags {
  std::string system;
  std::string tools_file;
  bool think = false;
  bool hide_thinking = false;
  std::string effort = "default";
};

// The heading of these options in --help.
inline constexpr const char* kChatGroup = "Conversation";

// Declares --system, --tools, --think, --effort and --hide-thinking. `flags` must live as long as `app`.
void add_chat_flags(CLI::App& app, ChatFlags& flags);

ChatOptions chat_options(const ChatFlags& flags);

// The system message that the flags ask for; none when they ask for nothing. Errors of the tools' file.
Result<std::optional<ChatMessage>> system_message(const ChatFlags& flags);

// Tools in OpenAI's shape, an array of {"type": "function", "function": {...}} or an object with such
// "tools", as ChatMessage::tools wants them. kInvalidArgument, naming file and field.
Result<std::vector<std::string>> parse_tools(const std::string& json, const std::string& file_name);

}  // namespace sluice
