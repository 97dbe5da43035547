#include "cli/chat_file.h"

#include <cstdlib>
#include <span>

#include "base/fail.h"
#include "base/file.h"
#include "base/replace_file.h"
#include "cli/message_json.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;

constexpr std::string_view kFormat = "sluice-chat";
constexpr std::string_view kVersion = "1";
constexpr uint64_t kLimitBytes = 256 << 20;

const char* effort_name(ReasoningEffort effort) {
  switch (effort) {
    case ReasoningEffort::kHigh:
      return "high";
    case ReasoningEffort::kMax:
      return "max";
    case ReasoningEffort::kDefault:
      break;
  }
  return "default";
}

Result<const JsonValue*> member(const JsonValue& chat, const char* name, Kind kind, const char* expected) {
  const JsonValue* value = chat.find(name);
  if (value != nullptr && value->is(kind)) return value;
  return fail(ErrorCode::kInvalidArgument, "{}: {} was found, {} was expected", name,
              value == nullptr ? "nothing" : json_kind_name(value->kind), expected);
}

Status check_format(const JsonValue& chat) {
  SLUICE_ASSIGN(const JsonValue* format, member(chat, "format", Kind::kString, "\"sluice-chat\""));
  if (format->text != kFormat)
    return fail(ErrorCode::kInvalidArgument, "format: \"{}\" was found, \"{}\" was expected", format->text,
                kFormat);
  SLUICE_ASSIGN(const JsonValue* version, member(chat, "version", Kind::kNumber, "1"));
  if (version->text == kVersion) return {};
  return fail(ErrorCode::kInvalidArgument, "version: {} was found, {} was expected: another Sluice wrote it",
              version->text, kVersion);
}

// A conversation that waits for the person: the system's message at most first, an answer last, and nothing
// that the chat format could not put to the model.
Status check_turns(const SavedChat& chat) {
  const size_t first = chat.system ? 1 : 0;
  for (size_t i = 0; i < chat.turns.size(); ++i) {
    if (chat.turns[i].role != ChatRole::kSystem) continue;
    return fail(ErrorCode::kInvalidArgument,
                "messages[{}].role: \"system\" was found, which can only be first", i + first);
  }
  if (!chat.turns.empty() && chat.turns.back().role != ChatRole::kAssistant) {
    return fail(
        ErrorCode::kInvalidArgument,
        "messages[{}].role: \"{}\" was found last, \"assistant\" was expected: nothing is left to answer",
        chat.turns.size() - 1 + first, chat_role_name(chat.turns.back().role));
  }
  Conversation next = chat.turns;
  if (chat.system) next.insert(next.begin(), *chat.system);
  next.push_back({.role = ChatRole::kUser, .content = "?"});
  const auto prompt = encode_chat(next, {.thinking_mode = chat.thinking_mode});
  return prompt ? Status() : Status(tl::unexpected(prompt.error()));
}

Result<SavedChat> parse_chat(std::string_view text) {
  SLUICE_ASSIGN(const JsonValue json, parse_json(text));
  SLUICE_TRY(check_format(json));
  SavedChat chat;
  SLUICE_ASSIGN(const JsonValue* thinking, member(json, "thinking", Kind::kBool, "true or false"));
  chat.thinking_mode = thinking->flag ? ThinkingMode::kThinking : ThinkingMode::kChat;
  SLUICE_ASSIGN(const JsonValue* effort,
                member(json, "effort", Kind::kString, "\"default\", \"high\" or \"max\""));
  auto known = parse_reasoning_effort(effort->text);
  if (!known) return tl::unexpected(std::move(known).error().in("effort"));
  chat.reasoning_effort = *known;
  SLUICE_ASSIGN(const JsonValue* messages, member(json, "messages", Kind::kArray, "an array"));
  SLUICE_ASSIGN(chat.turns, parse_messages(*messages));
  if (!chat.turns.empty() && chat.turns.front().role == ChatRole::kSystem) {
    chat.system = std::move(chat.turns.front());
    chat.turns.erase(chat.turns.begin());
  }
  SLUICE_TRY(check_turns(chat));
  return chat;
}

}  // namespace

std::string chat_file_text(const SavedChat& chat) {
  std::string text = fmt::format(
      "{{\"format\": \"{}\", \"version\": {}, \"thinking\": {}, \"effort\": \"{}\", \"messages\": [", kFormat,
      kVersion, chat.thinking_mode == ThinkingMode::kThinking, effort_name(chat.reasoning_effort));
  const char* separator = "\n";
  const auto add = [&](const JsonValue& message) {
    text += separator + python_json(message);
    separator = ",\n";
  };
  if (chat.system) {
    JsonValue system = message_json(*chat.system);
    if (!chat.system->tools.empty()) {
      system.keys.emplace_back("tools");
      system.items.push_back(tools_json(chat.system->tools));
    }
    add(system);
  }
  for (const ChatMessage& message : chat.turns) add(message_json(message));
  return text + "\n]}\n";
}

Result<SavedChat> parse_chat_file(std::string_view text, const std::string& file_name) {
  auto chat = parse_chat(text);
  if (!chat) return tl::unexpected(std::move(chat).error().in(file_name + " is no saved chat"));
  return chat;
}

Status save_chat(const std::filesystem::path& path, const SavedChat& chat) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !load_chat(path)) {
    return fail(ErrorCode::kInvalidArgument,
                "{} is there already, and is no saved chat: choose another name, or remove it first",
                path.string());
  }
  const std::string text = chat_file_text(chat);
  return replace_file(path, std::as_bytes(std::span(text)));
}

Result<SavedChat> load_chat(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return fail(ErrorCode::kInvalidArgument, "{} is no file", path.string());
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kLimitBytes));
  return parse_chat_file(text, path.string());
}

std::filesystem::path path_as_typed(std::string_view text) {
  const char* home = std::getenv("HOME");
  if (!text.starts_with("~/") || home == nullptr || *home == '\0') return text;
  return std::filesystem::path(home) / text.substr(2);
}

}  // namespace sluice
