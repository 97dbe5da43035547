// Requests in Anthropic's shape.
#pragma once

#include "server/answer_request.h"
#include "sluice/result.h"
#include "text/python_json.h"

namespace sluice {

enum class AnthropicCall { kMessages, kCountTokens };  // counting needs no max_tokens

// The body of POST /v1/messages, or of .../count_tokens. `defaults`: the sampling where the body says
// nothing. Unknown fields are ignored. kInvalidArgument, beginning with the field's path, for wrong types and
// ranges and for content that is not text (images, documents).
//
// The model reasons when thinking asks for it, without a budget of its own. A last message of the assistant
// is gone on with.
Result<AnswerRequest> parse_anthropic(const JsonValue& body, AnthropicCall call,
                                      const SamplingOptions& defaults);

}  // namespace sluice
