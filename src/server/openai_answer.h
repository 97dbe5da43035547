// Answers in OpenAI's shape.
#pragma once

#include <memory>

#include "server/answer_writer.h"
#include "text/tokenizer.h"

namespace sluice {

// Of POST /v1/chat/completions. Reasoning goes to reasoning_content; a tool call's first delta has its id and
// name, the next ones pieces of its arguments. `tokenizer` must outlive the writer.
std::unique_ptr<AnswerWriter> openai_chat_writer(AnswerHead head, const AnswerRequest& request,
                                                 const Tokenizer& tokenizer);
// Of POST /v1/completions.
std::unique_ptr<AnswerWriter> openai_completion_writer(AnswerHead head, const AnswerRequest& request,
                                                       const Tokenizer& tokenizer);

// {"error": {"message", "type", "param", "code"}}. `code` may be empty: null.
std::string openai_error(int status, const std::string& message, const std::string& code);

}  // namespace sluice
