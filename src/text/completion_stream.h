// Tells reasoning, answer and tool calls apart while they are being generated.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/chat.h"

namespace sluice {

struct CompletionPart {
  enum class Kind {
    kReasoning,  // before </think>, which is left out
    kContent,    // the answer
    kToolCall,   // the block of tool calls, its DSML marks included, and whatever follows it
  };
  Kind kind = Kind::kContent;
  std::string text;

  bool operator==(const CompletionPart&) const = default;
};

// Fed with the text of a completion as it comes (special tokens as their text, the end-of-sentence token left
// out), gives the same text in parts. Text that may be the start of a mark is held back until that is known.
// The parts do not depend on where the text was cut, except that one part may come in several pieces. Not
// thread safe.
class CompletionStream {
 public:
  // kThinking: the prompt ended with <think>, so the text starts with reasoning.
  explicit CompletionStream(ThinkingMode mode);

  // The parts that became certain, in order; none empty.
  std::vector<CompletionPart> push(std::string_view text);

  // What was held back, at the end of the completion.
  std::vector<CompletionPart> finish();

 private:
  CompletionPart::Kind kind_;
  std::string held_;
};

}  // namespace sluice
