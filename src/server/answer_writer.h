// An answer in the shape of an API: as one document, or as a stream of events.
#pragma once

#include <string>
#include <vector>

#include "server/answer.h"
#include "server/http_message.h"

namespace sluice {

// One answer each. Either whole(), or first(), more() ... and last() in that order, with failed() in place of
// what is left when generation fails. Each returns the bytes to send; they may be empty. Not thread safe.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  virtual std::string first() = 0;
  virtual std::string more(const AnswerNews& news) = 0;
  virtual std::string last(const AnswerEnd& end) = 0;
  virtual std::string failed(const Error& error) = 0;

  // `news`: everything that came.
  virtual std::string whole(const AnswerNews& news, const AnswerEnd& end) = 0;
};

// An answer's parts put together.
struct CompleteAnswer {
  std::string reasoning{};
  std::string content{};
  std::vector<ToolCall> tool_calls{};  // without ids
};
CompleteAnswer complete_answer(const std::vector<AnswerPart>& parts);

// What every document of an answer says about itself.
struct AnswerHead {
  std::string id{};     // "chatcmpl-..."; see random_id
  std::string model{};  // its name
  int64_t created = 0;  // seconds since 1970
  uint64_t prompt_tokens = 0;
};

// A prefix and 24 random letters and digits.
std::string random_id(const std::string& prefix);

}  // namespace sluice
