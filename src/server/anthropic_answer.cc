#include "server/anthropic_answer.h"

#include "server/api_error.h"
#include "server/json_text.h"
#include "server/sse.h"
#include "text/python_json.h"

namespace sluice {
namespace {

// What stands where Anthropic signs: clients only pass it back.
constexpr const char* kSignature = "unsigned";

const char* stop_reason(const AnswerEnd& end) {
  if (end.stopped_by) return "stop_sequence";
  if (end.finish != FinishReason::kEndOfText) return "max_tokens";
  return end.called_tools ? "tool_use" : "end_turn";
}

Json stop_sequence(const AnswerEnd& end) {
  return end.stopped_by ? Json(*end.stopped_by) : Json(nullptr);
}

// A tool's input is an object. What the model wrote that is none is kept as a text.
Json input_of(const std::string& arguments) {
  const auto checked = parse_json(arguments);
  if (checked && checked->is(JsonValue::Kind::kObject)) return Json::parse(arguments);
  return Json::object({{"arguments", arguments}});
}

class AnthropicWriter : public AnswerWriter {
 public:
  explicit AnthropicWriter(AnswerHead head) : head_(std::move(head)) {}

  std::string first() override {
    Json start = message();
    start["usage"] = {{"input_tokens", head_.prompt_tokens}, {"output_tokens", 0}};
    return event({{"type", "message_start"}, {"message", std::move(start)}});
  }

  std::string more(const AnswerNews& news) override {
    std::string events;
    for (const AnswerPart& part : news.parts) {
      const bool same_block =
          open_ && part.kind != AnswerPart::Kind::kToolName && block_kind(part.kind) == *open_;
      if (!same_block) {
        events += close_block();
        events += open_block(part);
      }
      if (part.kind != AnswerPart::Kind::kToolName) events += delta(part);
    }
    return events;
  }

  std::string last(const AnswerEnd& end) override {
    const Json stopped{{"stop_reason", stop_reason(end)}, {"stop_sequence", stop_sequence(end)}};
    return close_block() +
           event({{"type", "message_delta"},
                  {"delta", stopped},
                  {"usage", {{"output_tokens", end.new_tokens}}}}) +
           event({{"type", "message_stop"}});
  }

  std::string failed(const Error& error) override {
    return sse_event(anthropic_error(http_status_of(error.code), error.message), "error");
  }

  std::string whole(const AnswerNews& news, const AnswerEnd& end) override {
    Json result = message();
    const CompleteAnswer answer = complete_answer(news.parts);
    Json& content = result["content"];
    if (!answer.reasoning.empty()) {
      content.push_back({{"type", "thinking"}, {"thinking", answer.reasoning}, {"signature", kSignature}});
    }
    if (!answer.content.empty()) content.push_back({{"type", "text"}, {"text", answer.content}});
    for (const ToolCall& call : answer.tool_calls) {
      content.push_back({{"type", "tool_use"},
                         {"id", random_id("toolu_")},
                         {"name", call.name},
                         {"input", input_of(call.arguments)}});
    }
    result["stop_reason"] = stop_reason(end);
    result["stop_sequence"] = stop_sequence(end);
    result["usage"] = {{"input_tokens", end.prompt_tokens}, {"output_tokens", end.new_tokens}};
    return json_text(result);
  }

 private:
  enum class Block { kThinking, kText, kToolUse };

  static Block block_kind(AnswerPart::Kind kind) {
    switch (kind) {
      case AnswerPart::Kind::kReasoning:
        return Block::kThinking;
      case AnswerPart::Kind::kContent:
        return Block::kText;
      case AnswerPart::Kind::kToolName:
      case AnswerPart::Kind::kToolArguments:
        break;
    }
    return Block::kToolUse;
  }

  static std::string event(const Json& data) {
    return sse_event(json_text(data), data["type"].get<std::string>());
  }

  Json message() const {
    return {{"id", head_.id},          {"type", "message"},        {"role", "assistant"},
            {"model", head_.model},    {"content", Json::array()}, {"stop_reason", nullptr},
            {"stop_sequence", nullptr}};
  }

  std::string open_block(const AnswerPart& part) {
    open_ = block_kind(part.kind);
    Json block;
    switch (*open_) {
      case Block::kThinking:
        block = {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
        break;
      case Block::kText:
        block = {{"type", "text"}, {"text", ""}};
        break;
      case Block::kToolUse:
        block = {{"type", "tool_use"},
                 {"id", random_id("toolu_")},
                 {"name", part.text},
                 {"input", Json::object()}};
        break;
    }
    return event({{"type", "content_block_start"}, {"index", index_}, {"content_block", std::move(block)}});
  }

  std::string close_block() {
    if (!open_) return {};
    std::string events;
    if (*open_ == Block::kThinking)
      events += delta_event({{"type", "signature_delta"}, {"signature", kSignature}});
    events += event({{"type", "content_block_stop"}, {"index", index_}});
    open_.reset();
    ++index_;
    return events;
  }

  std::string delta(const AnswerPart& part) const {
    switch (block_kind(part.kind)) {
      case Block::kThinking:
        return delta_event({{"type", "thinking_delta"}, {"thinking", part.text}});
      case Block::kText:
        return delta_event({{"type", "text_delta"}, {"text", part.text}});
      case Block::kToolUse:
        break;
    }
    return delta_event({{"type", "input_json_delta"}, {"partial_json", part.text}});
  }

  std::string delta_event(Json delta) const {
    return event({{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
  }

  AnswerHead head_;
  std::optional<Block> open_;  // the block that is being written
  uint64_t index_ = 0;         // its number, or that of the next one
};

}  // namespace

std::unique_ptr<AnswerWriter> anthropic_writer(AnswerHead head) {
  return std::make_unique<AnthropicWriter>(std::move(head));
}

std::string anthropic_error(int status, const std::string& message) {
  const char* type = "invalid_request_error";
  switch (status) {
    case 401:
      type = "authentication_error";
      break;
    case 403:
      type = "permission_error";
      break;
    case 404:
      type = "not_found_error";
      break;
    case 413:
      type = "request_too_large";
      break;
    case 429:
      type = "rate_limit_error";
      break;
    case 503:
      type = "overloaded_error";
      break;
    default:
      if (status >= 500) type = "api_error";
  }
  return json_text({{"type", "error"}, {"error", {{"type", type}, {"message", message}}}});
}

}  // namespace sluice
