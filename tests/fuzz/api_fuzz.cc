// Bodies of both APIs from any bytes: a prompt that can be encoded, or an error that says where. The first
// byte chooses the API; then what the model might answer is put into words.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/anthropic_answer.h"
#include "server/anthropic_request.h"
#include "server/openai_answer.h"
#include "server/openai_request.h"
#include "server/request_fields.h"
#include "text/tool_call_stream.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

sluice::Result<sluice::AnswerRequest> parse(uint8_t api, const sluice::JsonValue& body) {
  switch (api % 4) {
    case 0:
      return sluice::parse_openai_chat(body, {});
    case 1:
      return sluice::parse_openai_completion(body, {});
    case 2:
      return sluice::parse_anthropic(body, sluice::AnthropicCall::kMessages, {});
    default:
      return sluice::parse_anthropic(body, sluice::AnthropicCall::kCountTokens, {});
  }
}

// Calls read piece by piece are those read at once.
std::string calls_of(std::string_view text, size_t step) {
  sluice::ToolCallStream stream;
  std::string seen;
  const auto take = [&](const std::vector<sluice::ToolCallPart>& parts) {
    for (const auto& part : parts) {
      require(!part.text.empty());
      if (part.kind == sluice::ToolCallPart::Kind::kName) seen += "\n";
      seen += part.text;
    }
  };
  for (size_t at = 0; at < text.size(); at += step) take(stream.push(text.substr(at, step)));
  take(stream.finish());
  return seen;
}

bool is_ascii(std::string_view text) {
  for (const char byte : text) {
    if (static_cast<unsigned char>(byte) >= 0x80) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (is_ascii(text)) require(calls_of(text, 1 + data[0] % 8U) == calls_of(text, size));
  (void)calls_of(text, size);
  const auto body = sluice::parse_json(text);
  if (!body) return 0;
  const auto request = parse(data[0], *body);
  if (!request) {
    require(request.error().code == sluice::ErrorCode::kInvalidArgument);
    require(sluice::parse_json(sluice::openai_error(400, request.error().message, "")).has_value());
    require(sluice::parse_json(sluice::anthropic_error(400, request.error().message)).has_value());
    return 0;
  }
  size_t end = 0;
  for (const sluice::TextRange range : request->prompt.untrusted) {
    require(end <= range.begin && range.begin < range.end && range.end <= request->prompt.text.size());
    end = range.end;
  }
  const auto writer = sluice::anthropic_writer({"msg", "model", 0, 0});
  const std::string piece(text.substr(0, 64));
  sluice::AnswerNews news{.parts = {{sluice::AnswerPart::Kind::kToolName, piece},
                                    {sluice::AnswerPart::Kind::kToolArguments, std::string(text)}}};
  require(sluice::parse_json(writer->whole(news, {})).has_value());
  return 0;
}
