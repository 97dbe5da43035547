#include "cli/streamed_answer.h"

#include <charconv>

#include "base/fail.h"
#include "text/python_json.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;

constexpr size_t kMaxAnswerBytes = 64 << 20;
constexpr size_t kMaxCalls = 128;
constexpr size_t kMaxShownBytes = 300;

// The member of that name and kind; null when it is absent or null.
Result<const JsonValue*> member(const JsonValue& object, const char* name, Kind kind) {
  const JsonValue* value = object.find(name);
  if (value == nullptr || value->is(Kind::kNull)) return nullptr;
  if (value->is(kind)) return value;
  return fail(ErrorCode::kCorrupt, "{}: {} was found, {} was expected", name, json_kind_name(value->kind),
              json_kind_name(kind));
}

Result<std::string> text_of(const JsonValue& object, const char* name) {
  SLUICE_ASSIGN(const JsonValue* value, member(object, name, Kind::kString));
  return value == nullptr ? std::string() : value->text;
}

Result<uint64_t> count_of(const JsonValue& object, const char* name) {
  SLUICE_ASSIGN(const JsonValue* value, member(object, name, Kind::kNumber));
  uint64_t count = 0;
  if (value == nullptr) return count;
  const char* end = value->text.data() + value->text.size();
  const auto [stop, error] = std::from_chars(value->text.data(), end, count);
  if (error == std::errc() && stop == end) return count;
  return fail(ErrorCode::kCorrupt, "{}: {} was found, a whole number was expected", name, value->text);
}

}  // namespace

Result<std::vector<CompletionPart>> StreamedAnswer::take(std::string_view data) {
  std::vector<CompletionPart> none;
  if (data == "[DONE]") {
    is_done_ = true;
    return none;
  }
  const auto chunk = parse_json(data);
  if (!chunk) return fail(ErrorCode::kCorrupt, "{}", chunk.error().message);
  if (chunk->find("error") != nullptr && chunk->find("error")->truthy())
    return fail(ErrorCode::kIo, "{}", error_message_of(data));
  SLUICE_ASSIGN(const JsonValue* usage, member(*chunk, "usage", Kind::kObject));
  if (usage != nullptr) SLUICE_TRY(take_usage(*usage));
  SLUICE_ASSIGN(const JsonValue* choices, member(*chunk, "choices", Kind::kArray));
  if (choices == nullptr || choices->items.empty()) return none;
  const JsonValue& choice = choices->items.front();
  SLUICE_ASSIGN(const std::string reason, text_of(choice, "finish_reason"));
  if (!reason.empty()) finish_reason_ = reason;
  SLUICE_ASSIGN(const JsonValue* delta, member(choice, "delta", Kind::kObject));
  return delta == nullptr ? none : take_delta(*delta);
}

Result<std::vector<CompletionPart>> StreamedAnswer::take_delta(const JsonValue& delta) {
  std::vector<CompletionPart> parts;
  SLUICE_ASSIGN(std::string reasoning, text_of(delta, "reasoning_content"));
  SLUICE_ASSIGN(std::string content, text_of(delta, "content"));
  SLUICE_ASSIGN(const JsonValue* calls, member(delta, "tool_calls", Kind::kArray));
  SLUICE_TRY(grow(reasoning.size() + content.size()));
  if (calls != nullptr) SLUICE_TRY(take_calls(*calls));
  message_.reasoning_content += reasoning;
  message_.content += content;
  if (!reasoning.empty()) parts.push_back({CompletionPart::Kind::kReasoning, std::move(reasoning)});
  if (!content.empty()) parts.push_back({CompletionPart::Kind::kContent, std::move(content)});
  return parts;
}

Status StreamedAnswer::take_calls(const JsonValue& calls) {
  for (const JsonValue& piece : calls.items) {
    SLUICE_ASSIGN(const uint64_t index, count_of(piece, "index"));
    if (index > message_.tool_calls.size() || index >= kMaxCalls)
      return fail(ErrorCode::kCorrupt, "tool_calls: call {} was found after {}", index,
                  message_.tool_calls.size());
    if (index == message_.tool_calls.size()) message_.tool_calls.emplace_back();
    ToolCall& call = message_.tool_calls[index];
    SLUICE_ASSIGN(const std::string id, text_of(piece, "id"));
    SLUICE_ASSIGN(const JsonValue* function, member(piece, "function", Kind::kObject));
    if (!id.empty()) call.id = id;
    if (function == nullptr) continue;
    SLUICE_ASSIGN(const std::string name, text_of(*function, "name"));
    SLUICE_ASSIGN(const std::string arguments, text_of(*function, "arguments"));
    SLUICE_TRY(grow(name.size() + arguments.size()));
    call.name += name;
    call.arguments += arguments;
  }
  return {};
}

Status StreamedAnswer::take_usage(const JsonValue& usage) {
  Usage read;
  SLUICE_ASSIGN(read.prompt_tokens, count_of(usage, "prompt_tokens"));
  SLUICE_ASSIGN(read.completion_tokens, count_of(usage, "completion_tokens"));
  SLUICE_ASSIGN(const JsonValue* details, member(usage, "prompt_tokens_details", Kind::kObject));
  if (details != nullptr) {
    SLUICE_ASSIGN(read.cached_tokens, count_of(*details, "cached_tokens"));
  }
  usage_ = read;
  return {};
}

Status StreamedAnswer::grow(size_t bytes) {
  size_bytes_ += bytes;
  if (size_bytes_ <= kMaxAnswerBytes) return {};
  return fail(ErrorCode::kCorrupt, "the answer has more than {} bytes", kMaxAnswerBytes);
}

std::string error_message_of(std::string_view body) {
  const auto parsed = parse_json(body);
  const JsonValue* error = parsed ? parsed->find("error") : nullptr;
  const JsonValue* message = error == nullptr ? nullptr : error->find("message");
  if (message != nullptr && message->is(Kind::kString)) return message->text;
  if (error != nullptr && error->is(Kind::kString)) return error->text;
  return std::string(body.substr(0, kMaxShownBytes));
}

}  // namespace sluice
