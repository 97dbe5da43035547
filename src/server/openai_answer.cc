#include "server/openai_answer.h"

#include "server/api_error.h"
#include "server/json_text.h"
#include "server/request_fields.h"
#include "server/sse.h"

namespace sluice {
namespace {

constexpr const char* kDone = "[DONE]";

const char* finish_reason(const AnswerEnd& end) {
  if (end.stopped_by) return "stop";
  if (end.finish != FinishReason::kEndOfText) return "length";
  return end.called_tools ? "tool_calls" : "stop";
}

Json usage_of(const AnswerEnd& end) {
  return {{"prompt_tokens", end.prompt_tokens},
          {"completion_tokens", end.new_tokens},
          {"total_tokens", end.prompt_tokens + end.new_tokens},
          {"prompt_tokens_details", {{"cached_tokens", end.reused_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", end.reasoning_tokens}}}};
}

// A token's text may be part of a character: its bytes tell.
Json token_bytes(std::string_view token) {
  Json bytes = Json::array();
  for (const char byte : token) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

class OpenAiWriter : public AnswerWriter {
 public:
  OpenAiWriter(AnswerHead head, const AnswerRequest& request, const Tokenizer& tokenizer)
      : head_(std::move(head)),
        logprobs_(request.top_logprobs.has_value()),
        include_usage_(request.include_usage),
        tokenizer_(tokenizer) {}

  std::string last(const AnswerEnd& end) override {
    std::string events = sse_event(json_text(chunk(closing_choice(finish_reason(end)))));
    if (include_usage_) {
      Json usage = document(true);
      usage["choices"] = Json::array();
      usage["usage"] = usage_of(end);
      events += sse_event(json_text(usage));
    }
    return events + sse_event(kDone);
  }

  std::string failed(const Error& error) override {
    return sse_event(openai_error(http_status_of(error.code), error.message, error_code_name(error.code)));
  }

  std::string whole(const AnswerNews& news, const AnswerEnd& end) override {
    Json result = document(false);
    Json choice = complete_choice(news);
    choice["finish_reason"] = finish_reason(end);
    result["choices"] = Json::array({std::move(choice)});
    result["usage"] = usage_of(end);
    return json_text(result);
  }

 protected:
  virtual const char* object_name(bool is_chunk) const = 0;
  virtual Json closing_choice(const char* reason) const = 0;
  virtual Json complete_choice(const AnswerNews& news) const = 0;

  Json document(bool is_chunk) const {
    return {{"id", head_.id},
            {"object", object_name(is_chunk)},
            {"created", head_.created},
            {"model", head_.model}};
  }
  Json chunk(Json choice) const {
    Json result = document(true);
    result["choices"] = Json::array({std::move(choice)});
    if (include_usage_) result["usage"] = nullptr;
    return result;
  }
  bool wants_logprobs() const { return logprobs_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  AnswerHead head_;
  bool logprobs_;
  bool include_usage_;
  const Tokenizer& tokenizer_;
};

class ChatWriter : public OpenAiWriter {
 public:
  using OpenAiWriter::OpenAiWriter;

  std::string first() override {
    return sse_event(json_text(chunk(choice_with({{"role", "assistant"}, {"content", ""}}))));
  }

  std::string more(const AnswerNews& news) override {
    std::string events;
    for (const AnswerPart& part : news.parts) {
      Json choice = choice_with(delta_of(part));
      if (&part == &news.parts.front() && wants_logprobs()) choice["logprobs"] = logprobs_of(news);
      events += sse_event(json_text(chunk(std::move(choice))));
    }
    if (news.parts.empty() && !news.logprobs.empty()) {
      Json choice = choice_with(Json::object());
      choice["logprobs"] = logprobs_of(news);
      events += sse_event(json_text(chunk(std::move(choice))));
    }
    return events;
  }

 protected:
  const char* object_name(bool is_chunk) const override {
    return is_chunk ? "chat.completion.chunk" : "chat.completion";
  }

  Json closing_choice(const char* reason) const override {
    Json choice = choice_with(Json::object());
    choice["finish_reason"] = reason;
    return choice;
  }

  Json complete_choice(const AnswerNews& news) const override {
    const CompleteAnswer answer = complete_answer(news.parts);
    Json message{{"role", "assistant"}, {"content", nullptr}, {"refusal", nullptr}};
    if (!answer.content.empty() || answer.tool_calls.empty()) message["content"] = answer.content;
    if (!answer.reasoning.empty()) message["reasoning_content"] = answer.reasoning;
    for (const ToolCall& call : answer.tool_calls) {
      message["tool_calls"].push_back({{"id", random_id("call_")},
                                       {"type", "function"},
                                       {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    Json choice{{"index", 0}, {"message", std::move(message)}, {"logprobs", nullptr}};
    if (wants_logprobs()) choice["logprobs"] = logprobs_of(news);
    return choice;
  }

 private:
  static Json choice_with(Json delta) {
    return {{"index", 0}, {"delta", std::move(delta)}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
  }

  Json delta_of(const AnswerPart& part) {
    switch (part.kind) {
      case AnswerPart::Kind::kReasoning:
        return {{"reasoning_content", part.text}};
      case AnswerPart::Kind::kContent:
        return {{"content", part.text}};
      case AnswerPart::Kind::kToolName: {
        Json call{{"index", calls_++},
                  {"id", random_id("call_")},
                  {"type", "function"},
                  {"function", {{"name", part.text}, {"arguments", ""}}}};
        return {{"tool_calls", Json::array({std::move(call)})}};
      }
      case AnswerPart::Kind::kToolArguments: {
        Json call{{"index", calls_ - 1}, {"function", {{"arguments", part.text}}}};
        return {{"tool_calls", Json::array({std::move(call)})}};
      }
    }
    return Json::object();
  }

  Json logprobs_of(const AnswerNews& news) const {
    const auto entry = [this](const TokenLogprobs::Candidate& candidate) {
      const std::string_view token = tokenizer().token_bytes(candidate.id);
      return Json{{"token", token}, {"logprob", candidate.logprob}, {"bytes", token_bytes(token)}};
    };
    Json content = Json::array();
    for (const TokenLogprobs& logprobs : news.logprobs) {
      Json token = entry(logprobs.chosen);
      token["top_logprobs"] = Json::array();
      for (const auto& candidate : logprobs.top) token["top_logprobs"].push_back(entry(candidate));
      content.push_back(std::move(token));
    }
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }

  int64_t calls_ = 0;
};

class CompletionWriter : public OpenAiWriter {
 public:
  using OpenAiWriter::OpenAiWriter;

  std::string first() override { return {}; }

  std::string more(const AnswerNews& news) override {
    const std::string text = complete_answer(news.parts).content;
    if (text.empty() && news.logprobs.empty()) return {};
    return sse_event(json_text(chunk(choice_with(text, news))));
  }

 protected:
  const char* object_name(bool) const override { return "text_completion"; }

  Json closing_choice(const char* reason) const override {
    Json choice = choice_with("", {});
    choice["finish_reason"] = reason;
    return choice;
  }

  Json complete_choice(const AnswerNews& news) const override {
    return choice_with(complete_answer(news.parts).content, news);
  }

 private:
  Json choice_with(const std::string& text, const AnswerNews& news) const {
    Json choice{{"index", 0}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!wants_logprobs()) return choice;
    Json tokens = Json::array(), token_logprobs = Json::array(), top = Json::array();
    for (const TokenLogprobs& logprobs : news.logprobs) {
      tokens.push_back(tokenizer().token_bytes(logprobs.chosen.id));
      token_logprobs.push_back(logprobs.chosen.logprob);
      Json likeliest = Json::object();
      for (const auto& candidate : logprobs.top) {
        likeliest[printable(tokenizer().token_bytes(candidate.id))] = candidate.logprob;
      }
      top.push_back(std::move(likeliest));
    }
    choice["logprobs"] = {{"tokens", std::move(tokens)},
                          {"token_logprobs", std::move(token_logprobs)},
                          {"top_logprobs", std::move(top)}};
    return choice;
  }
};

}  // namespace

std::unique_ptr<AnswerWriter> openai_chat_writer(AnswerHead head, const AnswerRequest& request,
                                                 const Tokenizer& tokenizer) {
  return std::make_unique<ChatWriter>(std::move(head), request, tokenizer);
}

std::unique_ptr<AnswerWriter> openai_completion_writer(AnswerHead head, const AnswerRequest& request,
                                                       const Tokenizer& tokenizer) {
  return std::make_unique<CompletionWriter>(std::move(head), request, tokenizer);
}

std::string openai_error(int status, const std::string& message, const std::string& code) {
  const char* type = status == 429   ? "rate_limit_error"
                     : status >= 500 ? "server_error"
                                     : "invalid_request_error";
  const std::string field = field_of(message);
  Json error{{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!field.empty()) error["param"] = field;
  if (!code.empty()) error["code"] = code;
  return json_text({{"error", std::move(error)}});
}

}  // namespace sluice
