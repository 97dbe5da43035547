// A server answers: `sluice serve`, or another one that speaks OpenAI's shape.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "cli/chat_partner.h"
#include "cli/console.h"
#include "cli/http_client.h"
#include "cli/sampling_flags.h"
#include "cli/streamed_answer.h"

namespace sluice {

class ServerPartner : public ChatPartner {
 public:
  struct Options {
    SamplingFlags sampling{};
    uint64_t max_tokens = 0;  // of an answer; 0: no limit
    bool live = false;        // figures of a sluice server in the terminal's last row
  };

  // Asks the server which model it has, its first one. kInvalidArgument when it refuses the key, kIo when
  // nobody answers, kUnsupported when what answers has no models. `console` must outlive the result.
  static Result<std::unique_ptr<ServerPartner>> connect(HttpClient client, Options options, Console& console,
                                                        const std::stop_token& cancel);

  const std::string& address() const { return client_.address(); }
  const std::string& model() const { return model_; }

  Result<Reply> answer(const Conversation& conversation, const ChatOptions& options, TurnPrinter printer,
                       const std::stop_token& cancel) override;
  void forget() override {}  // every request brings its conversation along
  Result<std::string> state(const std::stop_token& cancel) override;

 private:
  using Clock = std::chrono::steady_clock;

  ServerPartner(HttpClient client, Options options, Console& console)
      : client_(std::move(client)), options_(options), console_(console) {}

  // A call whose reply is a success, or an error in the server's words.
  Result<HttpReply> ask(const HttpCall& call, const std::stop_token& cancel,
                        const HttpCall* beside = nullptr) const;

  // And the server's figures in the terminal's last row meanwhile, where they are wanted.
  Result<HttpReply> ask_with_live_row(const HttpCall& call, const std::stop_token& cancel) const;

  HttpClient client_;
  Options options_;
  Console& console_;
  std::string model_;
};

// The body of a request for chat/completions, streamed. Of the sampling only what was said is sent: the rest
// is the server's choice.
std::string chat_request_body(const std::string& model, const Conversation& conversation,
                              const ChatOptions& options, const SamplingFlags& sampling, uint64_t max_tokens);

// The value of a line of a Prometheus text without labels; nothing when there is none.
std::optional<double> metric_value(std::string_view text, std::string_view name);

}  // namespace sluice
