// A model's tokens to the parts of an answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/answer_request.h"
#include "text/completion_stream.h"
#include "text/detokenizer.h"
#include "text/tool_call_stream.h"

namespace sluice {

struct AnswerPart {
  enum class Kind {
    kReasoning,
    kContent,
    kToolName,       // a tool call begins
    kToolArguments,  // of the call begun last: the next piece of its JSON
  };
  Kind kind = Kind::kContent;
  std::string text{};

  bool operator==(const AnswerPart&) const = default;
};

// Fed with tokens as they are chosen. Stop texts are looked for in content, wherever tokens cut them; text
// that may be the start of one is held back. Not thread safe.
class AnswerDecoder {
 public:
  // `tokenizer` must outlive this object.
  AnswerDecoder(const Tokenizer& tokenizer, const AnswerRequest& request);

  // The parts that became certain; none empty.
  std::vector<AnswerPart> push(int32_t id);
  // What was held back, at the end.
  std::vector<AnswerPart> finish();

  // The stop text that ended the answer: nothing more is to be pushed then.
  const std::optional<std::string>& stopped_by() const { return stopped_by_; }
  bool called_tools() const { return called_tools_; }
  uint64_t reasoning_tokens() const { return reasoning_tokens_; }

 private:
  void take_text(const std::string& text);
  void take(const std::vector<CompletionPart>& parts);
  void take(const std::vector<ToolCallPart>& parts);
  void take_content(const std::string& text);
  void emit(AnswerPart::Kind kind, std::string text);

  const Tokenizer& tokenizer_;
  std::vector<std::string> stop_;
  bool may_call_;
  Detokenizer detokenizer_;
  std::optional<CompletionStream> turn_;  // nothing: plain text
  ToolCallStream calls_;
  std::string held_content_;  // may be the start of a stop text
  std::optional<std::string> stopped_by_;
  bool reasoning_;
  bool called_tools_ = false;
  bool in_calls_ = false;
  uint64_t reasoning_tokens_ = 0;
  std::vector<AnswerPart> parts_;
};

}  // namespace sluice
