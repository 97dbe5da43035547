// Requests in OpenAI's shape.
#pragma once

#include "server/answer_request.h"
#include "sluice/result.h"
#include "text/python_json.h"

namespace sluice {

// The body of POST /v1/chat/completions. `defaults`: the sampling where the body says nothing. Unknown
// fields are ignored. kInvalidArgument, beginning with the field's path, for wrong types and ranges, and for
// fields that would change the answer in a way that this server cannot (n, logit_bias, penalties).
//
// The model reasons when reasoning_effort asks for it: "low", "medium" and "high" alike, "max" and "xhigh"
// more; "none", "minimal" and silence mean not at all. tool_choice "required", or a function's name, makes
// the model begin with a call; it then cannot reason first. response_format is put to the model in
// words. ignore_eos, which other servers have too, goes on beyond the end of the text.
Result<AnswerRequest> parse_openai_chat(const JsonValue& body, const SamplingOptions& defaults);

// The body of POST /v1/completions: a prompt (text, or tokens) that the model goes on from, 16 tokens when
// max_tokens says nothing.
Result<AnswerRequest> parse_openai_completion(const JsonValue& body, const SamplingOptions& defaults);

}  // namespace sluice
