#include "server/anthropic_request.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/fail.h"
#include "server/request_fields.h"
#include "server/tool_choice.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;

constexpr const char* kBlockSeparator = "\n\n";

Status read_sampling(const RequestFields& body, SamplingOptions& sampling) {
  SLUICE_ASSIGN(const auto temperature, body.number("temperature", 0, 1));
  SLUICE_ASSIGN(const auto top_p, body.number("top_p", 0, 1));
  SLUICE_ASSIGN(const auto top_k, body.integer("top_k", 0, UINT32_MAX));
  sampling.temperature = temperature.value_or(sampling.temperature);
  if (top_p == 0.0) {
    sampling.top_k = 1;
  } else {
    sampling.top_p = top_p.value_or(sampling.top_p);
  }
  if (top_k) sampling.top_k = static_cast<uint32_t>(*top_k);
  return {};
}

Status read_stop(const RequestFields& body, AnswerRequest& request) {
  SLUICE_ASSIGN(const JsonValue* stop, body.array("stop_sequences"));
  for (size_t i = 0; stop != nullptr && i < stop->items.size(); ++i) {
    if (!stop->items[i].is(Kind::kString)) {
      return fail(ErrorCode::kInvalidArgument, "{}: {} was found, a string was expected",
                  path_of_item("stop_sequences", i), shown_value(&stop->items[i]));
    }
    request.stop.push_back(stop->items[i].text);
  }
  return check_stop_texts(request.stop, "stop_sequences");
}

Result<ChatOptions> read_thinking(const RequestFields& body) {
  ChatOptions options;
  SLUICE_ASSIGN(const auto thinking, body.object("thinking"));
  if (!thinking) return options;
  SLUICE_ASSIGN(const std::string type, thinking->required_string("type"));
  SLUICE_TRY(thinking->integer("budget_tokens", 1, kMaxTokensLimit));
  if (type == "enabled" || type == "adaptive") {
    options.thinking_mode = ThinkingMode::kThinking;
  } else if (type != "disabled") {
    return thinking->unexpected("type", "\"enabled\", \"adaptive\" or \"disabled\"");
  }
  return options;
}

JsonValue json_string(std::string text) {
  return {.kind = Kind::kString, .text = std::move(text)};
}

Result<std::vector<NamedTool>> read_tools(const RequestFields& body) {
  std::vector<NamedTool> tools;
  SLUICE_ASSIGN(const JsonValue* array, body.array("tools"));
  for (size_t i = 0; array != nullptr && i < array->items.size(); ++i) {
    SLUICE_ASSIGN(const auto tool, RequestFields::of(array->items[i], path_of_item("tools", i)));
    SLUICE_ASSIGN(const auto type, tool.string("type"));
    if (type.value_or("custom") != "custom") return tool.unexpected("type", "\"custom\"");
    SLUICE_ASSIGN(std::string name, tool.required_string("name"));
    SLUICE_ASSIGN(const auto description, tool.string("description"));
    SLUICE_ASSIGN(const auto schema, tool.object("input_schema"));
    if (!schema) return tool.unexpected("input_schema", "an object");
    JsonValue function{.kind = Kind::kObject};
    const auto add = [&](const char* key, JsonValue value) {
      function.keys.emplace_back(key);
      function.items.push_back(std::move(value));
    };
    add("name", json_string(name));
    if (description) add("description", json_string(*description));
    add("parameters", *tool.find("input_schema"));
    tools.push_back({std::move(name), python_json(function)});
  }
  return tools;
}

Result<ToolChoice> read_tool_choice(const RequestFields& body) {
  SLUICE_ASSIGN(const auto choice, body.object("tool_choice"));
  if (!choice) return ToolChoice{};
  SLUICE_ASSIGN(const std::string type, choice->required_string("type"));
  constexpr std::array<std::pair<std::string_view, ToolChoice::Kind>, 4> kKinds{
      {{"auto", ToolChoice::Kind::kAuto},
       {"any", ToolChoice::Kind::kAny},
       {"tool", ToolChoice::Kind::kNamed},
       {"none", ToolChoice::Kind::kNone}}};
  const auto found =
      std::ranges::find(kKinds, std::string_view(type), [](const auto& each) { return each.first; });
  if (found == kKinds.end()) return choice->unexpected("type", "\"auto\", \"any\", \"tool\" or \"none\"");
  ToolChoice result{found->second, {}};
  if (result.kind == ToolChoice::Kind::kNamed) {
    SLUICE_ASSIGN(result.name, choice->required_string("name"));
  }
  return result;
}

// A string, or an array of text blocks as one text.
Result<std::string> text_of(const RequestFields& fields, const char* name) {
  const JsonValue* value = fields.find(name);
  if (value == nullptr) return std::string();
  if (value->is(Kind::kString)) return value->text;
  if (!value->is(Kind::kArray)) return fields.unexpected(name, "a string or an array of text blocks");
  std::string joined;
  for (size_t i = 0; i < value->items.size(); ++i) {
    SLUICE_ASSIGN(const auto block,
                  RequestFields::of(value->items[i], path_of_item(fields.path_of(name), i)));
    SLUICE_ASSIGN(const std::string type, block.required_string("type"));
    if (type != "text") return block.unexpected("type", "\"text\"");
    SLUICE_ASSIGN(const std::string text, block.required_string("text"));
    if (i > 0) joined += kBlockSeparator;
    joined += text;
  }
  return joined;
}

// A user's block: a message of its own, which the chat format joins with its neighbours.
Result<ChatMessage> user_block(const RequestFields& block) {
  SLUICE_ASSIGN(const std::string type, block.required_string("type"));
  if (type == "text") {
    SLUICE_ASSIGN(std::string text, block.required_string("text"));
    return ChatMessage{.role = ChatRole::kUser, .content = std::move(text)};
  }
  if (type != "tool_result") return block.unexpected("type", "\"text\" or \"tool_result\"");
  SLUICE_ASSIGN(std::string id, block.required_string("tool_use_id"));
  SLUICE_ASSIGN(std::string text, text_of(block, "content"));
  return ChatMessage{.role = ChatRole::kTool, .content = std::move(text), .tool_call_id = std::move(id)};
}

// Adds an assistant's block to its message.
Status add_assistant_block(const RequestFields& block, ChatMessage& message) {
  SLUICE_ASSIGN(const std::string type, block.required_string("type"));
  if (type == "text") {
    SLUICE_ASSIGN(const std::string text, block.required_string("text"));
    message.content += text;
  } else if (type == "thinking") {
    SLUICE_ASSIGN(const std::string thinking, block.required_string("thinking"));
    message.reasoning_content += thinking;
  } else if (type == "tool_use") {
    ToolCall call;
    SLUICE_ASSIGN(call.id, block.required_string("id"));
    SLUICE_ASSIGN(call.name, block.required_string("name"));
    SLUICE_ASSIGN(const auto input, block.object("input"));
    if (!input) return block.unexpected("input", "an object");
    call.arguments = python_json(*block.find("input"));
    message.tool_calls.push_back(std::move(call));
  } else if (type != "redacted_thinking") {
    return block.unexpected("type", "\"text\", \"thinking\" or \"tool_use\"");
  }
  return {};
}

Status add_message(const RequestFields& fields, Conversation& conversation) {
  SLUICE_ASSIGN(const std::string role, fields.required_string("role"));
  const bool assistant = role == "assistant";
  if (!assistant && role != "user") return fields.unexpected("role", "\"user\" or \"assistant\"");
  const JsonValue* content = fields.find("content");
  ChatMessage message{.role = assistant ? ChatRole::kAssistant : ChatRole::kUser};
  if (content != nullptr && content->is(Kind::kString)) {
    message.content = content->text;
    conversation.push_back(std::move(message));
    return {};
  }
  if (content == nullptr || !content->is(Kind::kArray)) {
    return fields.unexpected("content", "a string or an array of blocks");
  }
  for (size_t i = 0; i < content->items.size(); ++i) {
    SLUICE_ASSIGN(const auto block,
                  RequestFields::of(content->items[i], path_of_item(fields.path_of("content"), i)));
    if (assistant) {
      SLUICE_TRY(add_assistant_block(block, message));
    } else {
      SLUICE_ASSIGN(ChatMessage own, user_block(block));
      conversation.push_back(std::move(own));
    }
  }
  if (assistant) conversation.push_back(std::move(message));
  return {};
}

Result<Conversation> read_conversation(const RequestFields& body) {
  Conversation conversation;
  SLUICE_ASSIGN(std::string system, text_of(body, "system"));
  if (!system.empty()) conversation.push_back({.role = ChatRole::kSystem, .content = std::move(system)});
  SLUICE_ASSIGN(const JsonValue* messages, body.required_array("messages"));
  if (messages->items.empty()) return body.unexpected("messages", "an array of at least one message");
  for (size_t i = 0; i < messages->items.size(); ++i) {
    SLUICE_ASSIGN(const auto message, RequestFields::of(messages->items[i], path_of_item("messages", i)));
    SLUICE_TRY(add_message(message, conversation));
  }
  return conversation;
}

}  // namespace

Result<AnswerRequest> parse_anthropic(const JsonValue& value, AnthropicCall call,
                                      const SamplingOptions& defaults) {
  SLUICE_ASSIGN(const RequestFields body, RequestFields::of(value, ""));
  AnswerRequest request{.sampling = defaults};
  SLUICE_TRY(body.string("model"));
  SLUICE_ASSIGN(const auto max_tokens, body.integer("max_tokens", 1, kMaxTokensLimit));
  if (!max_tokens && call == AnthropicCall::kMessages) return body.unexpected("max_tokens", "a whole number");
  request.max_tokens = max_tokens.value_or(0);
  SLUICE_TRY(read_sampling(body, request.sampling));
  SLUICE_TRY(read_stop(body, request));
  SLUICE_ASSIGN(const auto stream, body.boolean("stream"));
  request.stream = stream.value_or(false);
  SLUICE_ASSIGN(Conversation conversation, read_conversation(body));
  SLUICE_ASSIGN(const ChatOptions options, read_thinking(body));
  SLUICE_ASSIGN(const auto tools, read_tools(body));
  SLUICE_ASSIGN(const ToolChoice choice, read_tool_choice(body));
  if (!conversation.empty() && conversation.back().role == ChatRole::kAssistant) {
    if (options.thinking_mode == ThinkingMode::kThinking) {
      return fail(ErrorCode::kInvalidArgument,
                  "messages: the last one is the assistant's, which cannot be gone on with when thinking "
                  "comes first");
    }
    conversation.back().without_eos = true;
  }
  SLUICE_TRY(offer_tools(tools, choice, options.thinking_mode, conversation));
  SLUICE_TRY(write_prompt(conversation, options, choice, request));
  return request;
}

}  // namespace sluice
