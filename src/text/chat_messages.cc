#include <array>
#include <utility>

#include "base/fail.h"
#include "text/chat.h"
#include "text/python_json.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;

constexpr std::array<std::pair<ChatRole, const char*>, 6> kRoleNames{{
    {ChatRole::kSystem, "system"},
    {ChatRole::kDeveloper, "developer"},
    {ChatRole::kUser, "user"},
    {ChatRole::kAssistant, "assistant"},
    {ChatRole::kTool, "tool"},
    {ChatRole::kLatestReminder, "latest_reminder"},
}};

constexpr std::array<std::pair<ChatTask, const char*>, 6> kTaskNames{{
    {ChatTask::kAction, "action"},
    {ChatTask::kQuery, "query"},
    {ChatTask::kAuthority, "authority"},
    {ChatTask::kDomain, "domain"},
    {ChatTask::kTitle, "title"},
    {ChatTask::kReadUrl, "read_url"},
}};

// The value of a name in a table; kInvalidArgument, listing what there is.
template <class Value, size_t kCount>
Result<Value> value_of(const std::array<std::pair<Value, const char*>, kCount>& names, std::string_view name,
                       const std::string& where) {
  std::string expected;
  for (const auto& [value, known] : names) {
    if (name == known) return value;
    expected += expected.empty() ? known : std::string(", ") + known;
  }
  return fail(ErrorCode::kInvalidArgument, "{}: \"{}\" was found, one of {} was expected", where, name,
              expected);
}

tl::unexpected<Error> wrong_type(const std::string& where, const JsonValue* found, const char* expected) {
  return fail(ErrorCode::kInvalidArgument, "{}: {} was found, {} was expected", where,
              found == nullptr ? "nothing" : json_kind_name(found->kind), expected);
}

// A member that may be absent; null counts as absent.
const JsonValue* optional_member(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value == nullptr || value->is(Kind::kNull) ? nullptr : value;
}

// A string member; empty when it is absent or null.
Result<std::string> optional_string(const JsonValue& object, const std::string& where, const char* key) {
  const JsonValue* value = optional_member(object, key);
  if (value == nullptr) return std::string();
  if (!value->is(Kind::kString)) return wrong_type(where + "." + key, value, "a string");
  return value->text;
}

Result<std::string> required_string(const JsonValue& object, const std::string& where, const char* key) {
  const JsonValue* value = object.find(key);
  if (value == nullptr || !value->is(Kind::kString)) return wrong_type(where + "." + key, value, "a string");
  return value->text;
}

// An array member; nullptr when it is absent or null.
Result<const JsonValue*> optional_array(const JsonValue& object, const std::string& where, const char* key) {
  const JsonValue* value = optional_member(object, key);
  if (value != nullptr && !value->is(Kind::kArray)) return wrong_type(where + "." + key, value, "an array");
  return value;
}

// One part of a content list: its text, or a note that stands for what cannot be shown to the model.
Result<std::string> part_text(const JsonValue& part, const std::string& where) {
  if (!part.is(Kind::kObject)) return wrong_type(where, &part, "an object");
  const JsonValue* type = part.find("type");
  if (type == nullptr || !type->is(Kind::kString)) return wrong_type(where + ".type", type, "a string");
  if (type->text != "text") return "[Unsupported " + type->text + "]";
  if (part.find("text") == nullptr) return std::string();
  return required_string(part, where, "text");
}

Result<std::string> content_of(const JsonValue& message, ChatRole role, const std::string& where) {
  const JsonValue* content = message.find("content");
  const bool may_be_null =
      role != ChatRole::kUser && role != ChatRole::kTool && role != ChatRole::kLatestReminder;
  const bool may_be_absent = role != ChatRole::kLatestReminder;
  if (content == nullptr && may_be_absent) return std::string();
  if (content != nullptr && content->is(Kind::kNull) && may_be_null) return std::string();
  if (content == nullptr || (!content->is(Kind::kString) && !content->is(Kind::kArray))) {
    return wrong_type(where + ".content", content, "a string");
  }
  if (content->is(Kind::kString)) return content->text;
  std::string joined;
  for (size_t i = 0; i < content->items.size(); ++i) {
    SLUICE_ASSIGN(const std::string text,
                  part_text(content->items[i], fmt::format("{}.content[{}]", where, i)));
    if (i > 0) joined += "\n\n";
    joined += text;
  }
  return joined;
}

Result<ToolCall> tool_call_of(const JsonValue& call, const std::string& where) {
  const JsonValue* function = call.find("function");
  if (function == nullptr || !function->is(Kind::kObject)) {
    return wrong_type(where + ".function", function, "an object");
  }
  ToolCall result;
  SLUICE_ASSIGN(result.id, optional_string(call, where, "id"));
  if (result.id.empty()) {
    SLUICE_ASSIGN(result.id, optional_string(*function, where + ".function", "id"));
  }
  SLUICE_ASSIGN(result.name, required_string(*function, where + ".function", "name"));
  SLUICE_ASSIGN(result.arguments, required_string(*function, where + ".function", "arguments"));
  return result;
}

// What only messages with a turn of their own have: user and tool messages are merged into one, and lose
// these.
Status read_own_turn_fields(const JsonValue& json, const std::string& where, ChatMessage& message) {
  SLUICE_ASSIGN(message.reasoning_content, optional_string(json, where, "reasoning_content"));
  SLUICE_ASSIGN(const JsonValue* calls, optional_array(json, where, "tool_calls"));
  for (size_t i = 0; calls != nullptr && i < calls->items.size(); ++i) {
    SLUICE_ASSIGN(ToolCall call, tool_call_of(calls->items[i], fmt::format("{}.tool_calls[{}]", where, i)));
    message.tool_calls.push_back(std::move(call));
  }
  SLUICE_ASSIGN(const JsonValue* tools, optional_array(json, where, "tools"));
  for (size_t i = 0; tools != nullptr && i < tools->items.size(); ++i) {
    const JsonValue* function = tools->items[i].find("function");
    if (function == nullptr || !function->is(Kind::kObject)) {
      return wrong_type(fmt::format("{}.tools[{}].function", where, i), function, "an object");
    }
    message.tools.push_back(python_json(*function));
  }
  const JsonValue* format = json.find("response_format");
  if (format != nullptr && format->truthy()) message.response_format = python_json(*format);
  return {};
}

Result<ChatMessage> message_of(const JsonValue& json, const std::string& where) {
  if (!json.is(Kind::kObject)) return wrong_type(where, &json, "an object");
  ChatMessage message;
  SLUICE_ASSIGN(const std::string role, required_string(json, where, "role"));
  SLUICE_ASSIGN(message.role, value_of(kRoleNames, role, where + ".role"));
  SLUICE_ASSIGN(message.content, content_of(json, message.role, where));
  if (message.role == ChatRole::kTool) {
    SLUICE_ASSIGN(message.tool_call_id, optional_string(json, where, "tool_call_id"));
    return message;
  }
  SLUICE_ASSIGN(const std::string task, optional_string(json, where, "task"));
  if (optional_member(json, "task") != nullptr) {
    SLUICE_ASSIGN(message.task, value_of(kTaskNames, task, where + ".task"));
  }
  if (message.role == ChatRole::kUser) return message;
  const JsonValue* without_eos = optional_member(json, "wo_eos");
  if (without_eos != nullptr && !without_eos->is(Kind::kBool)) {
    return wrong_type(where + ".wo_eos", without_eos, "a boolean");
  }
  message.without_eos = without_eos != nullptr && without_eos->flag;
  SLUICE_TRY(read_own_turn_fields(json, where, message));
  return message;
}

}  // namespace

Result<ThinkingMode> parse_thinking_mode(std::string_view name) {
  constexpr std::array<std::pair<ThinkingMode, const char*>, 2> kNames{
      {{ThinkingMode::kChat, "chat"}, {ThinkingMode::kThinking, "thinking"}}};
  return value_of(kNames, name, "thinking mode");
}

Result<ReasoningEffort> parse_reasoning_effort(std::string_view name) {
  constexpr std::array<std::pair<ReasoningEffort, const char*>, 3> kNames{
      {{ReasoningEffort::kDefault, "default"},
       {ReasoningEffort::kHigh, "high"},
       {ReasoningEffort::kMax, "max"}}};
  return value_of(kNames, name, "reasoning effort");
}

const char* chat_role_name(ChatRole role) {
  for (const auto& [value, name] : kRoleNames) {
    if (value == role) return name;
  }
  return "unknown";
}

Result<Conversation> parse_messages(const JsonValue& messages) {
  if (!messages.is(Kind::kArray)) return wrong_type("messages", &messages, "an array");
  Conversation conversation;
  for (size_t i = 0; i < messages.items.size(); ++i) {
    SLUICE_ASSIGN(ChatMessage message, message_of(messages.items[i], fmt::format("messages[{}]", i)));
    conversation.push_back(std::move(message));
  }
  return conversation;
}

Result<Conversation> parse_messages(std::string_view json, const std::string& file_name) {
  auto value = parse_json(json);
  if (!value) return tl::unexpected(std::move(value.error()).in(file_name));
  auto conversation = parse_messages(*value);
  if (!conversation) return tl::unexpected(std::move(conversation.error()).in(file_name));
  return conversation;
}

}  // namespace sluice
