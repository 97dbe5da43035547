#include "server/api.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/fail.h"
#include "engine/loaded_model.h"
#include "server/anthropic_answer.h"
#include "server/anthropic_request.h"
#include "server/api_error.h"
#include "server/json_text.h"
#include "server/live_timer.h"
#include "server/live_view.h"
#include "server/openai_answer.h"
#include "server/openai_request.h"
#include "server/openapi.h"
#include "server/sse.h"
#include "server/web_page.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

constexpr int kClientGone = 499;  // in metrics only: nobody was there to be told

int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

uint64_t random_seed() {
  std::random_device device;
  return ((uint64_t{device()} << 32) | device()) >> 11;
}

bool matches(std::string_view pattern, std::string_view path) {
  const size_t parameter = pattern.find('{');
  if (parameter == std::string_view::npos) return pattern == path;
  return path.size() > parameter && path.starts_with(pattern.substr(0, parameter));
}

void append(AnswerNews news, AnswerNews& all) {
  all.parts.insert(all.parts.end(), std::make_move_iterator(news.parts.begin()),
                   std::make_move_iterator(news.parts.end()));
  all.logprobs.insert(all.logprobs.end(), news.logprobs.begin(), news.logprobs.end());
  all.end = std::move(news.end);
}

}  // namespace

struct Api::Handler {
  Route route;
  void (Api::*answer)(HttpExchange&);
};

const std::vector<Api::Handler>& Api::handlers() {
  static const std::vector<Handler> all{
      {{"GET", "/"}, &Api::web_page},
      {{"GET", "/dashboard/{file}"}, &Api::web_page},
      {{"GET", "/health"}, &Api::health},
      {{"GET", "/metrics"}, &Api::metrics_text},
      {{"GET", "/openapi.json"}, &Api::openapi},
      {{"GET", "/v1/sluice/live"}, &Api::live},
      {{"GET", "/v1/models"}, &Api::models},
      {{"GET", "/v1/models/{model}"}, &Api::one_model},
      {{"POST", "/v1/chat/completions"}, &Api::chat_completions},
      {{"POST", "/v1/completions"}, &Api::completions},
      {{"POST", "/v1/messages"}, &Api::messages},
      {{"POST", "/v1/messages/count_tokens"}, &Api::count_tokens},
  };
  return all;
}

std::vector<Api::Route> Api::routes() {
  std::vector<Route> routes;
  for (const Handler& handler : handlers()) routes.push_back(handler.route);
  return routes;
}

Api::Api(Engine& engine, Scheduler& scheduler, Metrics& metrics, ApiOptions options,
         const SnapshotStore* store)
    : engine_(engine),
      scheduler_(scheduler),
      metrics_(metrics),
      store_(store),
      options_(std::move(options)),
      started_(now_seconds()) {}

void Api::handle(HttpExchange& exchange) {
  std::string endpoint = "other";
  dispatch(exchange, endpoint);
  metrics_.count_request(endpoint, exchange.answered() ? exchange.status() : kClientGone);
}

void Api::dispatch(HttpExchange& exchange, std::string& endpoint) {
  const HttpRequest& request = exchange.request();
  if (const auto refusal = check_access(options_.access, request)) {
    const char* code = refusal->status == 401 ? "invalid_api_key" : "";
    return exchange.answer(error(request, refusal->status, refusal->message, code));
  }
  if (const auto origin = allowed_origin(options_.access, request)) {
    exchange.add_header("Access-Control-Allow-Origin", *origin);
    exchange.add_header("Vary", "Origin");
  }
  std::string allowed;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  for (const Handler& handler : handlers()) {
    if (!matches(handler.route.path, request.path)) continue;
    endpoint = handler.route.path;
    if (method == handler.route.method) return (this->*handler.answer)(exchange);
    allowed = handler.route.method;
  }
  if (allowed.empty()) {
    return exchange.answer(error(request, 404,
                                 "There is nothing at " + request.method + " " + request.path +
                                     "; /openapi.json says what there is."));
  }
  exchange.add_header("Allow", allowed + ", OPTIONS");
  if (method != "OPTIONS") {
    return exchange.answer(
        error(request, 405, request.path + " takes " + allowed + ", not " + request.method + "."));
  }
  exchange.add_header("Access-Control-Allow-Methods", allowed + ", OPTIONS");
  exchange.add_header("Access-Control-Allow-Headers",
                      "authorization, content-type, x-api-key, anthropic-version, anthropic-beta");
  exchange.answer({.status = 204});
}

HttpResponse Api::error(const HttpRequest& request, int status, const std::string& message,
                        const std::string& code) const {
  const bool anthropic = request.path.starts_with("/v1/messages");
  return {.status = status,
          .body = anthropic ? anthropic_error(status, message) : openai_error(status, message, code)};
}

void Api::fail_with(HttpExchange& exchange, const Error& failure) const {
  const char* code = failure.code == ErrorCode::kOutOfBudget ? "context_length_exceeded" : "";
  exchange.answer(error(exchange.request(), http_status_of(failure.code), failure.message, code));
}

void Api::web_page(HttpExchange& exchange) {
  exchange.answer(web_answer(exchange.request()));
}

void Api::health(HttpExchange& exchange) {
  const Scheduler::Load load = scheduler_.load();
  exchange.answer({.body = json_text({{"status", "ok"},
                                      {"model", options_.model},
                                      {"running", load.running},
                                      {"waiting", load.waiting}})});
}

void Api::openapi(HttpExchange& exchange) {
  exchange.answer({.body = std::string(openapi_json())});
}

void Api::metrics_text(HttpExchange& exchange) {
  const Scheduler::Load load = scheduler_.load();
  const SnapshotFigures snapshots = store_ != nullptr ? store_->figures() : SnapshotFigures{};
  exchange.answer({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                   .body = metrics_.text(
                       {engine_.counters(), engine_.memory_plan(), load.running, load.waiting, snapshots})});
}

// Nothing of it happens while nobody looks: a viewer's connection has a thread, which takes the samples.
void Api::live(HttpExchange& exchange) {
  const HttpResponse head{.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-store"}}};
  if (exchange.request().method == "HEAD") return exchange.answer(head);
  const auto timer = LiveTimer::start(kLiveInterval);
  if (!timer) return fail_with(exchange, timer.error());
  const auto now = [&] {
    const Scheduler::Load load = scheduler_.load();
    return LiveView::Now{engine_.counters(), metrics_.generated_tokens(), load.running, load.waiting};
  };
  const ExpertStore& store = *engine_.loaded().store;
  ExpertMap map;
  store.look(map);
  LiveView view(now());
  const Json start{{"model", options_.model},
                   {"stream", stream_mode_name(engine_.stream_mode())},
                   {"interval_ms", kLiveInterval.count()},
                   {"layers", map.layers},
                   {"experts_per_layer", map.experts_per_layer},
                   {"slots", engine_.memory_plan().slots},
                   {"slot_bytes", engine_.memory_plan().slot_bytes},
                   {"experts", view.first_frame(map)}};
  exchange.begin(head);
  exchange.write(sse_event(json_text(start), "start"));
  while (exchange.wait(timer->descriptor()) == HttpExchange::Wait::kReady) {
    timer->take();
    store.look(map);
    if (!exchange.write(sse_event(view.sample(now(), map), "sample"))) return;
  }
  exchange.end();
}

// Both APIs' fields in one: each client takes what it knows.
void Api::models(HttpExchange& exchange) {
  const auto created_at = std::chrono::system_clock::from_time_t(started_);
  const Json model{{"id", options_.model},
                   {"object", "model"},
                   {"created", started_},
                   {"owned_by", "sluice"},
                   {"type", "model"},
                   {"display_name", options_.model},
                   {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(created_at))},
                   {"context_length", engine_.loaded().sizes.context_tokens}};
  if (exchange.request().path != "/v1/models") return exchange.answer({.body = json_text(model)});
  exchange.answer({.body = json_text({{"object", "list"},
                                      {"data", Json::array({model})},
                                      {"has_more", false},
                                      {"first_id", options_.model},
                                      {"last_id", options_.model}})});
}

void Api::one_model(HttpExchange& exchange) {
  const std::string& path = exchange.request().path;
  if (path == "/v1/models/" + options_.model) return models(exchange);
  exchange.answer(error(exchange.request(), 404,
                        "There is no such model; this server has \"" + options_.model + "\".",
                        "model_not_found"));
}

void Api::chat_completions(HttpExchange& exchange) {
  answer(
      exchange, "chatcmpl-",
      [this](const JsonValue& body) { return parse_openai_chat(body, default_sampling()); },
      [this](AnswerHead head, const AnswerRequest& request) {
        return openai_chat_writer(std::move(head), request, *engine_.tokenizer());
      });
}

void Api::completions(HttpExchange& exchange) {
  answer(
      exchange, "cmpl-",
      [this](const JsonValue& body) { return parse_openai_completion(body, default_sampling()); },
      [this](AnswerHead head, const AnswerRequest& request) {
        return openai_completion_writer(std::move(head), request, *engine_.tokenizer());
      });
}

void Api::messages(HttpExchange& exchange) {
  answer(
      exchange, "msg_",
      [this](const JsonValue& body) {
        return parse_anthropic(body, AnthropicCall::kMessages, default_sampling());
      },
      [](AnswerHead head, const AnswerRequest&) { return anthropic_writer(std::move(head)); });
}

void Api::count_tokens(HttpExchange& exchange) {
  const auto request = read(exchange.request(), [this](const JsonValue& body) {
    return parse_anthropic(body, AnthropicCall::kCountTokens, default_sampling());
  });
  if (!request) return fail_with(exchange, request.error());
  exchange.answer({.body = json_text({{"input_tokens", request->ids.size()}})});
}

SamplingOptions Api::default_sampling() const {
  SamplingOptions sampling = engine_.default_sampling();
  sampling.seed = random_seed();
  return sampling;
}

Result<Api::ReadRequest> Api::read(const HttpRequest& http, const Parse& parse) {
  const std::lock_guard lock(reading_);
  auto body = parse_json(http.body);
  if (!body) return tl::unexpected(std::move(body).error().in("the body is not JSON"));
  ReadRequest read;
  SLUICE_ASSIGN(read.request, parse(*body));
  SLUICE_ASSIGN(read.ids, tokens_of(read.request));
  return read;
}

Result<std::vector<int32_t>> Api::tokens_of(const AnswerRequest& request) const {
  if (!request.prompt_ids.empty()) return request.prompt_ids;
  if (request.turn) return engine_.tokenizer()->encode(request.prompt);
  return engine_.tokenize_prompt(request.prompt.text);
}

Status Api::check_context(size_t tokens) const {
  const uint64_t limit = engine_.loaded().sizes.context_tokens;
  if (tokens < limit) return {};
  return fail(ErrorCode::kOutOfBudget,
              "the prompt has {} tokens, and a context of {} tokens must hold it and the answer", tokens,
              limit);
}

void Api::answer(HttpExchange& exchange, const char* id_prefix, const Parse& parse,
                 const MakeWriter& make_writer) {
  auto read_request = read(exchange.request(), parse);
  if (!read_request) return fail_with(exchange, read_request.error());
  auto& [request, ids] = *read_request;
  if (const Status fits = check_context(ids.size()); !fits) return fail_with(exchange, fits.error());
  const auto writer = make_writer({random_id(id_prefix), options_.model, now_seconds(), ids.size()}, request);
  const bool stream = request.stream;
  const auto answer = scheduler_.submit(std::move(request), std::move(ids));
  if (answer) return deliver(exchange, answer, *writer, stream);
  exchange.add_header("Retry-After", std::to_string(scheduler_.retry_after_seconds()));
  exchange.answer(error(exchange.request(), 429, "Too many requests are waiting; try again a little later.",
                        "queue_full"));
}

// A stream begins with the first part of the answer, so that what fails before it has a status of its own.
void Api::deliver(HttpExchange& exchange, const std::shared_ptr<Answer>& answer, AnswerWriter& writer,
                  bool stream) {
  AnswerNews all;
  bool begun = false;
  const Error stopping{ErrorCode::kCancelled, "the server stops"};
  const auto broken_off = [&](const Error& error) {
    if (!begun) return fail_with(exchange, error);
    exchange.write(writer.failed(error));
    exchange.end();
  };
  while (true) {
    const auto wait = exchange.wait(answer->descriptor());
    if (wait != HttpExchange::Wait::kReady) {
      scheduler_.cancel(answer);
      if (wait == HttpExchange::Wait::kStopping) broken_off(stopping);
      return;
    }
    AnswerNews news = answer->take();
    const bool ended = news.end.has_value();
    if (ended && !news.end->has_value()) return broken_off(news.end->error());
    if (!stream) {
      append(std::move(news), all);
      if (ended) return exchange.answer({.body = writer.whole(all, **all.end)});
      continue;
    }
    if (!begun && (ended || !news.parts.empty() || !news.logprobs.empty())) {
      begun = true;
      exchange.begin({.content_type = "text/event-stream", .headers = {{"Cache-Control", "no-store"}}});
      exchange.write(writer.first());
    }
    std::string events = writer.more(news);
    if (ended) events += writer.last(**news.end);
    if (begun && !exchange.write(events)) return scheduler_.cancel(answer);
    if (ended) return exchange.end();
  }
}

}  // namespace sluice
