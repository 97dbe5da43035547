// Messages as JSON in OpenAI's shape: what parse_messages() reads.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat.h"
#include "text/python_json.h"

namespace sluice {

// Bytes that are not UTF-8 become U+FFFD, so that every JSON text can be read again.
JsonValue json_string(std::string_view text);
JsonValue json_bool(bool flag);
// REQUIRES: finite.
JsonValue json_number(double value);
JsonValue json_number(std::unsigned_integral auto value) {
  return {.kind = JsonValue::Kind::kNumber, .text = std::to_string(value)};
}
JsonValue json_array(std::vector<JsonValue> items);
JsonValue json_object(std::vector<std::pair<std::string, JsonValue>> members);

// Role, content and what else the message has, but for tools.
JsonValue message_json(const ChatMessage& message);
// ChatMessage::tools as an array of {"type": "function", "function": ...}.
JsonValue tools_json(const std::vector<std::string>& tools);

}  // namespace sluice
