#include "cli/message_json.h"

#include <fmt/format.h>

#include "text/utf8.h"

namespace sluice {
namespace {

std::string valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t good_bytes = utf8_valid_prefix_bytes(text);
    valid += text.substr(0, good_bytes);
    text.remove_prefix(good_bytes);
    if (text.empty()) break;
    valid += kReplacementCharacter;
    text.remove_prefix(utf8_step(text).length_bytes);
  }
  return valid;
}

JsonValue call_json(const ToolCall& call) {
  return json_object({{"id", json_string(call.id)},
                      {"type", json_string("function")},
                      {"function", json_object({{"name", json_string(call.name)},
                                                {"arguments", json_string(call.arguments)}})}});
}

}  // namespace

JsonValue json_string(std::string_view text) {
  return {.kind = JsonValue::Kind::kString, .text = valid_utf8(text)};
}

JsonValue json_bool(bool flag) {
  return {.kind = JsonValue::Kind::kBool, .flag = flag};
}

JsonValue json_number(double value) {
  return {.kind = JsonValue::Kind::kNumber, .text = fmt::format("{}", value)};
}

JsonValue json_array(std::vector<JsonValue> items) {
  return {.kind = JsonValue::Kind::kArray, .items = std::move(items)};
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): they are moved from
JsonValue json_object(std::vector<std::pair<std::string, JsonValue>> members) {
  JsonValue object{.kind = JsonValue::Kind::kObject};
  for (auto& [key, value] : members) {
    object.keys.push_back(std::move(key));
    object.items.push_back(std::move(value));
  }
  return object;
}

JsonValue message_json(const ChatMessage& message) {
  std::vector<std::pair<std::string, JsonValue>> members{{"role", json_string(chat_role_name(message.role))},
                                                         {"content", json_string(message.content)}};
  if (!message.reasoning_content.empty())
    members.emplace_back("reasoning_content", json_string(message.reasoning_content));
  if (!message.tool_call_id.empty()) members.emplace_back("tool_call_id", json_string(message.tool_call_id));
  std::vector<JsonValue> calls;
  for (const ToolCall& call : message.tool_calls) calls.push_back(call_json(call));
  if (!calls.empty()) members.emplace_back("tool_calls", json_array(std::move(calls)));
  return json_object(std::move(members));
}

JsonValue tools_json(const std::vector<std::string>& tools) {
  std::vector<JsonValue> items;
  for (const std::string& tool : tools) {
    items.push_back(json_object(
        {{"type", json_string("function")}, {"function", parse_json(tool).value_or(JsonValue())}}));
  }
  return json_array(std::move(items));
}

}  // namespace sluice
