// Conversations as DeepSeek-V4 was trained to see them: messages to a prompt, and a completion back to a
// message. Equal, byte for byte, to the encoder released with the model.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"
#include "text/prompt.h"

namespace sluice {

struct JsonValue;  // text/python_json.h

enum class ChatRole {
  kSystem,
  kDeveloper,  // a user turn that carries rules; dropped with old reasoning
  kUser,
  kAssistant,
  kTool,            // a tool's result; becomes part of a user turn
  kLatestReminder,  // context that always stands near the end: date, place
};

// What the model shall answer with instead of a turn: one of its classification tasks.
enum class ChatTask { kAction, kQuery, kAuthority, kDomain, kTitle, kReadUrl };

enum class ThinkingMode {
  kChat,      // the reasoning is closed before it begins
  kThinking,  // the model reasons between <think> and </think> first
};

enum class ReasoningEffort { kDefault, kHigh, kMax };  // only kMax changes the prompt, and only when thinking

// "chat", "thinking"; "default", "high", "max". kInvalidArgument, quoting the name, for anything else.
Result<ThinkingMode> parse_thinking_mode(std::string_view name);
Result<ReasoningEffort> parse_reasoning_effort(std::string_view name);

const char* chat_role_name(ChatRole role);  // "system", "developer", ..., "latest_reminder"

struct ToolCall {
  std::string id{};  // may be empty; orders the results of parallel calls
  std::string name{};
  std::string arguments{};  // JSON text of an object, as the model wrote it; other text is kept as text

  bool operator==(const ToolCall&) const = default;
};

struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  std::string content{};
  std::string reasoning_content{};     // assistant
  std::vector<ToolCall> tool_calls{};  // assistant
  std::string tool_call_id{};          // tool: the call that this is the result of
  std::vector<std::string> tools{};    // system, developer: each tool's "function", written by python_json()
  std::string response_format{};  // system, developer: a JSON schema, written by python_json(); empty: none
  std::optional<ChatTask> task{};
  bool without_eos = false;  // assistant: leave the turn open, so that the model goes on with it

  bool operator==(const ChatMessage&) const = default;
};

using Conversation = std::vector<ChatMessage>;

struct ChatOptions {
  ThinkingMode thinking_mode = ThinkingMode::kChat;
  bool drop_thinking =
      true;  // leave out reasoning of turns before the last question; never done when there are tools
  ReasoningEffort reasoning_effort = ReasoningEffort::kDefault;
  bool add_bos = true;  // open with <｜begin▁of▁sentence｜>
};

// Reads a JSON array of messages in OpenAI's shape: role; content (a string, null, or a list of parts, whose
// texts are joined by an empty line); reasoning_content; tool_calls; tool_call_id; tools; response_format;
// task; wo_eos. Other fields are ignored, as are fields that the role has no use for. kInvalidArgument names
// the file and the field: "chat.json: messages[2].content: a number was found, a string was expected".
//
// Stricter than the released encoder where that would write Python's spelling of a wrong type into the
// prompt: null content of a tool, user or latest_reminder message, and call arguments that are not a string,
// are refused.
Result<Conversation> parse_messages(std::string_view json, const std::string& file_name);
// The same of an array that is parsed already: "messages[2].content: a number was found, ...".
Result<Conversation> parse_messages(const JsonValue& messages);

// The prompt of a conversation, up to where the model shall begin to write. Everything that a message holds
// is untrusted in it; only the format's own text is template, among it the DSML marks of calls in the
// history. kInvalidArgument, naming the message, when the format cannot express it: a developer message
// without content, call arguments that are JSON but not an object.
Result<Prompt> encode_chat(std::span<const ChatMessage> messages, const ChatOptions& options);

// What the model wrote for one turn, its end-of-sentence token included, as an assistant message. Strict, as
// the released parser is: kCorrupt, saying what was found, for a turn that is cut off or malformed.
Result<ChatMessage> parse_completion(std::string_view text, ThinkingMode mode);

}  // namespace sluice
