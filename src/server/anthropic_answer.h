// Answers in Anthropic's shape.
#pragma once

#include <memory>

#include "server/answer_writer.h"

namespace sluice {

// Of POST /v1/messages: blocks of thinking, text and tool_use, in the order in which the model wrote them.
std::unique_ptr<AnswerWriter> anthropic_writer(AnswerHead head);

// {"type": "error", "error": {"type", "message"}}
std::string anthropic_error(int status, const std::string& message);

}  // namespace sluice
