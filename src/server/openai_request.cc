#include "server/openai_request.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "server/request_fields.h"
#include "server/tool_choice.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;
constexpr uint64_t kDefaultCompletionTokens = 16;
constexpr uint64_t kMaxSeed = UINT64_MAX;

Status read_sampling(const RequestFields& body, AnswerRequest& request) {
  SamplingOptions& sampling = request.sampling;
  SLUICE_ASSIGN(const auto temperature, body.number("temperature", 0, 100));
  SLUICE_ASSIGN(const auto top_p, body.number("top_p", 0, 1));
  SLUICE_ASSIGN(const auto min_p, body.number("min_p", 0, 1));
  SLUICE_ASSIGN(const auto top_k, body.integer("top_k", 0, UINT32_MAX));
  SLUICE_ASSIGN(const auto seed, body.integer("seed", 0, kMaxSeed));
  sampling.temperature = temperature.value_or(sampling.temperature);
  sampling.top_p = top_p.value_or(sampling.top_p);
  if (sampling.top_p == 0) {  // the likeliest token alone: what OpenAI's clients mean by it
    sampling.top_p = 1;
    sampling.top_k = 1;
  }
  sampling.min_p = min_p.value_or(sampling.min_p);
  if (top_k) sampling.top_k = static_cast<uint32_t>(*top_k);
  sampling.seed = seed.value_or(sampling.seed);
  SLUICE_ASSIGN(const auto ignore_end, body.boolean("ignore_eos"));
  request.ignore_end = ignore_end.value_or(false);
  return {};
}

Status read_stop(const RequestFields& body, AnswerRequest& request) {
  const JsonValue* stop = body.find("stop");
  if (stop == nullptr) return {};
  if (stop->is(Kind::kString)) {
    request.stop.push_back(stop->text);
  } else if (stop->is(Kind::kArray)) {
    for (size_t i = 0; i < stop->items.size(); ++i) {
      if (!stop->items[i].is(Kind::kString)) {
        return fail(ErrorCode::kInvalidArgument, "{}: {} was found, a string was expected",
                    path_of_item("stop", i), shown_value(&stop->items[i]));
      }
      request.stop.push_back(stop->items[i].text);
    }
  } else {
    return body.unexpected("stop", "a string or an array of strings");
  }
  return check_stop_texts(request.stop, "stop");
}

// Fields that would change the answer, with the value that leaves it as it is.
Status refuse_unsupported(const RequestFields& body) {
  SLUICE_ASSIGN(const auto count, body.integer("n", 1, 128));
  if (count.value_or(1) != 1) return body.unexpected("n", "1: this server gives one answer to a request");
  for (const char* name : {"frequency_penalty", "presence_penalty"}) {
    SLUICE_ASSIGN(const auto penalty, body.number(name, -2, 2));
    if (penalty.value_or(0) != 0) return body.unexpected(name, "0: this server has no penalties");
  }
  const JsonValue* bias = body.find("logit_bias");
  if (bias != nullptr && bias->truthy())
    return body.unexpected("logit_bias", "nothing: this server has no biases");
  SLUICE_TRY(body.string("model"));
  return {};
}

Status read_stream(const RequestFields& body, AnswerRequest& request) {
  SLUICE_ASSIGN(const auto stream, body.boolean("stream"));
  request.stream = stream.value_or(false);
  SLUICE_ASSIGN(const auto options, body.object("stream_options"));
  if (!options) return {};
  SLUICE_ASSIGN(const auto include_usage, options->boolean("include_usage"));
  request.include_usage = include_usage.value_or(false);
  return {};
}

Status read_common(const RequestFields& body, AnswerRequest& request) {
  SLUICE_TRY(refuse_unsupported(body));
  SLUICE_TRY(read_sampling(body, request));
  SLUICE_TRY(read_stop(body, request));
  return read_stream(body, request);
}

Status read_chat_logprobs(const RequestFields& body, AnswerRequest& request) {
  SLUICE_ASSIGN(const auto wanted, body.boolean("logprobs"));
  SLUICE_ASSIGN(const auto top, body.integer("top_logprobs", 0, kMaxTopLogprobs));
  if (wanted.value_or(false)) request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
  if (top && !wanted.value_or(false))
    return body.unexpected("logprobs", "true, since there is top_logprobs,");
  return {};
}

Result<ChatOptions> read_reasoning(const RequestFields& body) {
  ChatOptions options;
  SLUICE_ASSIGN(const auto effort, body.string("reasoning_effort"));
  if (!effort || *effort == "none" || *effort == "minimal") return options;
  options.thinking_mode = ThinkingMode::kThinking;
  if (*effort == "max" || *effort == "xhigh") {
    options.reasoning_effort = ReasoningEffort::kMax;
  } else if (*effort != "low" && *effort != "medium" && *effort != "high") {
    return body.unexpected("reasoning_effort",
                           "\"none\", \"minimal\", \"low\", \"medium\", \"high\" or \"max\"");
  }
  return options;
}

// The functions of `tools`, as ChatMessage::tools wants them.
Result<std::vector<NamedTool>> read_tools(const RequestFields& body) {
  std::vector<NamedTool> tools;
  SLUICE_ASSIGN(const JsonValue* array, body.array("tools"));
  for (size_t i = 0; array != nullptr && i < array->items.size(); ++i) {
    SLUICE_ASSIGN(const auto tool, RequestFields::of(array->items[i], path_of_item("tools", i)));
    SLUICE_ASSIGN(const auto type, tool.string("type"));
    if (type.value_or("function") != "function") return tool.unexpected("type", "\"function\"");
    SLUICE_ASSIGN(const auto function, tool.object("function"));
    if (!function) return tool.unexpected("function", "an object");
    SLUICE_ASSIGN(std::string name, function->required_string("name"));
    SLUICE_TRY(function->object("parameters"));
    tools.push_back({std::move(name), python_json(*tool.find("function"))});
  }
  return tools;
}

Result<ToolChoice> read_tool_choice(const RequestFields& body) {
  const JsonValue* choice = body.find("tool_choice");
  if (choice == nullptr) return ToolChoice{};
  if (choice->is(Kind::kObject)) {
    SLUICE_ASSIGN(const auto object, body.object("tool_choice"));
    SLUICE_ASSIGN(const auto function, object->object("function"));
    if (!function) return object->unexpected("function", "an object");
    SLUICE_ASSIGN(std::string name, function->required_string("name"));
    return ToolChoice{ToolChoice::Kind::kNamed, std::move(name)};
  }
  if (choice->is(Kind::kString) && choice->text == "auto") return ToolChoice{};
  if (choice->is(Kind::kString) && choice->text == "none") return ToolChoice{ToolChoice::Kind::kNone, {}};
  if (choice->is(Kind::kString) && choice->text == "required") return ToolChoice{ToolChoice::Kind::kAny, {}};
  return body.unexpected("tool_choice", "\"none\", \"auto\", \"required\" or a function");
}

// What the model is told about the form of its answer; empty: nothing.
Result<std::string> read_response_format(const RequestFields& body) {
  SLUICE_ASSIGN(const auto format, body.object("response_format"));
  if (!format) return std::string();
  SLUICE_ASSIGN(const std::string type, format->required_string("type"));
  if (type == "text") return std::string();
  if (type == "json_object") return std::string("{\"type\": \"object\"}");
  if (type != "json_schema") {
    return format->unexpected("type", "\"text\", \"json_object\" or \"json_schema\"");
  }
  SLUICE_ASSIGN(const auto schema, format->object("json_schema"));
  if (!schema) return format->unexpected("json_schema", "an object");
  SLUICE_ASSIGN(const auto inner, schema->object("schema"));
  if (!inner) return schema->unexpected("schema", "an object");
  return python_json(*schema->find("schema"));
}

// The model reads text: a part of another kind is refused, not passed over.
Status check_parts(const JsonValue& messages) {
  for (size_t i = 0; i < messages.items.size(); ++i) {
    const JsonValue* content = messages.items[i].find("content");
    if (content == nullptr || !content->is(Kind::kArray)) continue;
    for (size_t j = 0; j < content->items.size(); ++j) {
      const JsonValue* type = content->items[j].find("type");
      if (type == nullptr || !type->is(Kind::kString) || type->text == "text") continue;
      return fail(
          ErrorCode::kInvalidArgument,
          "messages[{}].content[{}].type: {} was found, \"text\" was expected: the model reads nothing else",
          i, j, shown_value(type));
    }
  }
  return {};
}

Result<Conversation> read_messages(const RequestFields& body) {
  SLUICE_ASSIGN(const JsonValue* messages, body.required_array("messages"));
  if (messages->items.empty()) return body.unexpected("messages", "an array of at least one message");
  SLUICE_TRY(check_parts(*messages));
  SLUICE_ASSIGN(Conversation conversation, parse_messages(*messages));
  // What OpenAI calls developer messages, other models call system messages. (The role of that name in this
  // model's format is another: a user's turn.)
  for (ChatMessage& message : conversation) {
    if (message.role == ChatRole::kDeveloper) message.role = ChatRole::kSystem;
  }
  const ChatMessage& last = conversation.back();
  if (last.role != ChatRole::kUser && last.role != ChatRole::kTool && !last.without_eos) {
    return fail(ErrorCode::kInvalidArgument,
                "messages[{}].role: \"{}\" was found last, where \"user\" or \"tool\" was expected: there is "
                "nothing to answer",
                conversation.size() - 1, chat_role_name(last.role));
  }
  return conversation;
}

}  // namespace

Result<AnswerRequest> parse_openai_chat(const JsonValue& value, const SamplingOptions& defaults) {
  SLUICE_ASSIGN(const RequestFields body, RequestFields::of(value, ""));
  AnswerRequest request{.sampling = defaults};
  SLUICE_TRY(read_common(body, request));
  SLUICE_TRY(read_chat_logprobs(body, request));
  SLUICE_ASSIGN(const auto max_tokens, body.integer("max_tokens", 1, kMaxTokensLimit));
  SLUICE_ASSIGN(const auto max_completion, body.integer("max_completion_tokens", 1, kMaxTokensLimit));
  request.max_tokens = max_completion ? *max_completion : max_tokens.value_or(0);
  SLUICE_ASSIGN(Conversation conversation, read_messages(body));
  SLUICE_ASSIGN(const ChatOptions options, read_reasoning(body));
  SLUICE_ASSIGN(const auto tools, read_tools(body));
  SLUICE_ASSIGN(const ToolChoice choice, read_tool_choice(body));
  SLUICE_ASSIGN(std::string format, read_response_format(body));
  if (!format.empty()) system_message_of(conversation).response_format = std::move(format);
  SLUICE_TRY(offer_tools(tools, choice, options.thinking_mode, conversation));
  SLUICE_TRY(write_prompt(conversation, options, choice, request));
  return request;
}

Result<AnswerRequest> parse_openai_completion(const JsonValue& value, const SamplingOptions& defaults) {
  SLUICE_ASSIGN(const RequestFields body, RequestFields::of(value, ""));
  AnswerRequest request{.sampling = defaults};
  SLUICE_TRY(read_common(body, request));
  SLUICE_ASSIGN(const auto max_tokens, body.integer("max_tokens", 1, kMaxTokensLimit));
  request.max_tokens = max_tokens.value_or(kDefaultCompletionTokens);
  SLUICE_ASSIGN(const auto logprobs, body.integer("logprobs", 0, kMaxTopLogprobs));
  if (logprobs) request.top_logprobs = static_cast<uint32_t>(*logprobs);
  SLUICE_ASSIGN(const auto echo, body.boolean("echo"));
  if (echo.value_or(false)) return body.unexpected("echo", "false: this server does not repeat the prompt");
  SLUICE_ASSIGN(const auto best_of, body.integer("best_of", 1, 128));
  if (best_of.value_or(1) != 1)
    return body.unexpected("best_of", "1: this server gives one answer to a request");
  SLUICE_ASSIGN(const auto suffix, body.string("suffix"));
  if (!suffix.value_or("").empty()) return body.unexpected("suffix", "nothing: the model only goes on");
  const JsonValue* prompt = body.find("prompt");
  if (prompt != nullptr && prompt->is(Kind::kArray) && prompt->items.size() == 1 &&
      (prompt->items[0].is(Kind::kString) || prompt->items[0].is(Kind::kArray))) {
    prompt = &prompt->items[0];
  }
  if (prompt != nullptr && prompt->is(Kind::kString)) {
    request.prompt.append_untrusted(prompt->text);
    return request;
  }
  const bool all_numbers =
      prompt != nullptr && prompt->is(Kind::kArray) && !prompt->items.empty() &&
      std::ranges::all_of(prompt->items, [](const JsonValue& each) { return each.is(Kind::kNumber); });
  if (!all_numbers) return body.unexpected("prompt", "a string or an array of tokens, one to a request,");
  for (size_t i = 0; i < prompt->items.size(); ++i) {
    const std::string& text = prompt->items[i].text;
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || stop != text.data() + text.size() || id < 0) {
      return fail(ErrorCode::kInvalidArgument, "{}: {} was found, a token was expected",
                  path_of_item("prompt", i), shown_value(&prompt->items[i]));
    }
    request.prompt_ids.push_back(id);
  }
  return request;
}

}  // namespace sluice
