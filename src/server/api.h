// The paths of the server, and what each does.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/access.h"
#include "server/answer_writer.h"
#include "server/http_exchange.h"
#include "server/metrics.h"
#include "server/scheduler.h"

namespace sluice {

struct ApiOptions {
  std::string model;  // its name for clients
  AccessRules access;
};

// Called by many connections at once.
class Api {
 public:
  // All must outlive this object; `store` may be null. The engine is only asked what any thread may ask.
  Api(Engine& engine, Scheduler& scheduler, Metrics& metrics, ApiOptions options,
      const SnapshotStore* store = nullptr);

  // Answers the request, whatever it is.
  void handle(HttpExchange& exchange);

  // The error document for a request that came to nothing: its path decides whose shape it has.
  HttpResponse error(const HttpRequest& request, int status, const std::string& message,
                     const std::string& code = "") const;

  struct Route {
    const char* method;
    const char* path;  // may end in a parameter: "/v1/models/{model}"
  };
  // What the server answers to, as /openapi.json describes it.
  static std::vector<Route> routes();

 private:
  using Parse = std::function<Result<AnswerRequest>(const JsonValue& body)>;
  using MakeWriter =
      std::function<std::unique_ptr<AnswerWriter>(AnswerHead head, const AnswerRequest& request)>;
  struct Handler;
  static const std::vector<Handler>& handlers();

  void web_page(HttpExchange& exchange);
  void health(HttpExchange& exchange);
  void openapi(HttpExchange& exchange);
  void metrics_text(HttpExchange& exchange);
  void live(HttpExchange& exchange);
  void models(HttpExchange& exchange);
  void one_model(HttpExchange& exchange);
  void chat_completions(HttpExchange& exchange);
  void completions(HttpExchange& exchange);
  void messages(HttpExchange& exchange);
  void count_tokens(HttpExchange& exchange);

  void dispatch(HttpExchange& exchange, std::string& endpoint);
  void fail_with(HttpExchange& exchange, const Error& error) const;
  // A request and its prompt's tokens. One at a time: a body takes many times its size while it is read.
  struct ReadRequest {
    AnswerRequest request;
    std::vector<int32_t> ids;
  };
  Result<ReadRequest> read(const HttpRequest& http, const Parse& parse);
  Result<std::vector<int32_t>> tokens_of(const AnswerRequest& request) const;
  Status check_context(size_t tokens) const;
  SamplingOptions default_sampling() const;
  void answer(HttpExchange& exchange, const char* id_prefix, const Parse& parse,
              const MakeWriter& make_writer);
  void deliver(HttpExchange& exchange, const std::shared_ptr<Answer>& answer, AnswerWriter& writer,
               bool stream);

  Engine& engine_;
  Scheduler& scheduler_;
  Metrics& metrics_;
  const SnapshotStore* store_;
  const ApiOptions options_;
  const int64_t started_;  // seconds since 1970
  std::mutex reading_;
};

}  // namespace sluice
