#include "cli/server_partner.h"

#include <fmt/format.h>

#include <charconv>

#include "base/fail.h"
#include "base/units.h"
#include "cli/message_json.h"
#include "cli/server_live_row.h"
#include "server/sse_parser.h"
#include "text/python_json.h"

namespace sluice {
namespace {

constexpr size_t kMaxAnswerEventBytes = 1 << 20;

ErrorCode code_of_status(int status) {
  if (status == 400 || status == 401 || status == 403) return ErrorCode::kInvalidArgument;
  return status == 404 ? ErrorCode::kUnsupported : ErrorCode::kIo;
}

// "24 tokens (interrupted), 31 tokens/s; prompt 40 tokens (12 known)"
std::string cost_of(const StreamedAnswer& answer, bool interrupted, std::chrono::duration<double> writing) {
  std::string line = interrupted ? "interrupted" : "";
  const auto& usage = answer.usage();
  if (!usage) return line.empty() ? "the server did not say" : line;
  line = fmt::format("{} token{}", usage->completion_tokens, usage->completion_tokens == 1 ? "" : "s");
  if (answer.finish_reason() == "length") line += " (cut off)";
  if (usage->completion_tokens > 1 && writing.count() > 0)
    line +=
        fmt::format(", {:.3g} tokens/s", static_cast<double>(usage->completion_tokens - 1) / writing.count());
  line += fmt::format("; prompt {} tokens", usage->prompt_tokens);
  if (usage->cached_tokens != 0) line += fmt::format(" ({} known)", usage->cached_tokens);
  return line;
}

}  // namespace

std::optional<double> metric_value(std::string_view text, std::string_view name) {
  const std::string wanted = fmt::format("\n{} ", name);
  size_t begin = text.find(wanted);
  if (begin == std::string_view::npos) return std::nullopt;
  begin += wanted.size();
  const std::string_view number = text.substr(begin, text.find('\n', begin) - begin);
  double value = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::string chat_request_body(const std::string& model, const Conversation& conversation,
                              const ChatOptions& options, const SamplingFlags& sampling,
                              uint64_t max_tokens) {
  std::vector<std::string> tools;
  for (const ChatMessage& message : conversation)
    tools.insert(tools.end(), message.tools.begin(), message.tools.end());
  std::vector<JsonValue> messages;
  for (ChatMessage message : conversation) {
    if (message.role == ChatRole::kSystem && message.content.empty()) continue;
    // Old reasoning counts only where there are tools, and some servers refuse it.
    if (tools.empty()) message.reasoning_content.clear();
    messages.push_back(message_json(message));
  }
  std::vector<std::pair<std::string, JsonValue>> body{
      {"model", json_string(model)},
      {"messages", json_array(std::move(messages))},
      {"stream", json_bool(true)},
      {"stream_options", json_object({{"include_usage", json_bool(true)}})}};
  const bool max_effort = options.reasoning_effort == ReasoningEffort::kMax;
  if (!tools.empty()) body.emplace_back("tools", tools_json(tools));
  if (options.thinking_mode == ThinkingMode::kThinking)
    body.emplace_back("reasoning_effort", json_string(max_effort ? "max" : "high"));
  if (sampling.greedy) body.emplace_back("temperature", json_number(0U));
  if (sampling.temperature) body.emplace_back("temperature", json_number(*sampling.temperature));
  if (sampling.top_k) body.emplace_back("top_k", json_number(*sampling.top_k));
  if (sampling.top_p) body.emplace_back("top_p", json_number(*sampling.top_p));
  if (sampling.min_p) body.emplace_back("min_p", json_number(*sampling.min_p));
  if (sampling.seed) body.emplace_back("seed", json_number(*sampling.seed));
  if (max_tokens != 0) body.emplace_back("max_tokens", json_number(max_tokens));
  return python_json(json_object(std::move(body)));
}

Result<HttpReply> ServerPartner::ask(const HttpCall& call, const std::stop_token& cancel,
                                     const HttpCall* beside) const {
  SLUICE_ASSIGN(HttpReply reply, client_.make_call(call, cancel, beside));
  if (reply.status == 200) return reply;
  std::string message =
      fmt::format("{} refuses ({}): {}", address(), reply.status, error_message_of(reply.body));
  if (reply.status == 401 && !client_.has_key()) message += " Set $SLUICE_API_KEY, or use --api-key.";
  if (!reply.retry_after.empty()) message += fmt::format(" (In {} s there may be room.)", reply.retry_after);
  return fail(code_of_status(reply.status), "{}", message);
}

Result<std::unique_ptr<ServerPartner>> ServerPartner::connect(HttpClient client, Options options,
                                                              Console& console,
                                                              const std::stop_token& cancel) {
  std::unique_ptr<ServerPartner> partner(new ServerPartner(std::move(client), options, console));
  SLUICE_ASSIGN(const HttpReply reply, partner->ask({.path = "/v1/models"}, cancel));
  const auto models = parse_json(reply.body);
  const JsonValue* data = models ? models->find("data") : nullptr;
  const bool has_some = data != nullptr && data->is(JsonValue::Kind::kArray) && !data->items.empty();
  const JsonValue* id = has_some ? data->items.front().find("id") : nullptr;
  if (id == nullptr || !id->is(JsonValue::Kind::kString)) {
    return fail(ErrorCode::kUnsupported, "{}: /v1/models lists no model, as a server in OpenAI's shape would",
                partner->address());
  }
  partner->model_ = id->text;
  return partner;
}

Result<ChatPartner::Reply> ServerPartner::answer(const Conversation& conversation, const ChatOptions& options,
                                                 TurnPrinter printer, const std::stop_token& cancel) {
  SseParser events(kMaxAnswerEventBytes);
  StreamedAnswer streamed;
  std::optional<Clock::time_point> begun;
  const auto take = [&](std::string_view bytes) -> Status {
    SLUICE_ASSIGN(const auto read, events.push(bytes));
    for (const SseEvent& event : read) {
      SLUICE_ASSIGN(const auto parts, streamed.take(event.data));
      if (!parts.empty() && !begun) begun = Clock::now();
      for (const CompletionPart& part : parts) {
        part.kind == CompletionPart::Kind::kReasoning ? printer.reasoning(part.text)
                                                      : printer.content(part.text);
      }
    }
    return {};
  };
  HttpCall call{
      .path = "/v1/chat/completions",
      .json = chat_request_body(model_, conversation, options, options_.sampling, options_.max_tokens)};
  call.on_bytes = [&](std::string_view bytes) -> Status {
    auto taken = take(bytes);
    if (!taken) return tl::unexpected(std::move(taken).error().in(address()));
    if (!console_.out.status()) return fail(ErrorCode::kCancelled, "nobody reads the answer");
    return {};
  };
  const auto reply = ask_with_live_row(call, cancel);
  const bool interrupted = !reply && reply.error().code == ErrorCode::kCancelled;
  const bool kept = interrupted || (reply && streamed.is_whole());
  printer.finish(kept ? streamed.message().tool_calls : std::vector<ToolCall>());
  if (!reply && !interrupted) return tl::unexpected(reply.error());
  if (!kept) return fail(ErrorCode::kIo, "{} broke off its answer", address());
  const auto writing = Clock::now() - begun.value_or(Clock::now());
  return Reply{.message = streamed.message(),
               .new_tokens = streamed.usage() ? streamed.usage()->completion_tokens : 0,
               .cost = cost_of(streamed, interrupted, writing),
               .context_full = streamed.finish_reason() == "length" && options_.max_tokens == 0};
}

Result<HttpReply> ServerPartner::ask_with_live_row(const HttpCall& call,
                                                   const std::stop_token& cancel) const {
  if (!options_.live || console_.quiet || !console_.err.traits().rewrites) return ask(call, cancel);
  ServerLiveRow row(console_.err);
  const HttpCall live = row.call();
  return ask(call, cancel, &live);
}

Result<std::string> ServerPartner::state(const std::stop_token& cancel) {
  const std::string name = fmt::format("{} at {}", model_, address());
  const auto reply = client_.make_call({.path = "/metrics"}, cancel);
  if (!reply) return tl::unexpected(reply.error());
  const auto value = [&](const char* metric) {
    return metric_value(reply->body, fmt::format("sluice_{}", metric)).value_or(0);
  };
  if (reply->status != 200 || !metric_value(reply->body, "sluice_requests_running"))
    return name + ", which tells no more about itself\n";
  const double hits = value("expert_hits_total");
  const double asked = hits + value("expert_misses_total");
  return fmt::format(
      "{}: {} running, {} waiting\n"
      "since its start: {} tokens generated, {} of prompts ({} known); {} expert hits ({:.1f} %), {} read in "
      "{} "
      "reads, {} failed reads\n",
      name, value("requests_running"), value("requests_waiting"), value("generated_tokens_total"),
      value("prompt_tokens_total"), value("prompt_reused_tokens_total"), hits,
      asked == 0 ? 0 : 100 * hits / asked,
      format_bytes(static_cast<uint64_t>(value("disk_read_bytes_total"))), value("disk_reads_total"),
      value("disk_failed_reads_total"));
}

}  // namespace sluice
