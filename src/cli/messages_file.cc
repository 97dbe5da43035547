#include "cli/messages_file.h"

#include "base/fail.h"
#include "text/python_json.h"

namespace sluice {

Result<Conversation> parse_messages_file(std::string_view json, const std::string& file_name) {
  auto parsed = parse_json(json);
  if (!parsed) return tl::unexpected(std::move(parsed).error().in(file_name));
  if (!parsed->is(JsonValue::Kind::kObject)) return parse_messages(json, file_name);
  const JsonValue* messages = parsed->find("messages");
  if (messages == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: an array of messages, or an object with \"messages\", was expected", file_name);
  }
  if (parsed->find("tools") != nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: tools: the prompt has them in its system message; move them there, beside \"content\"",
                file_name);
  }
  return parse_messages(python_json(*messages), file_name);
}

}  // namespace sluice
