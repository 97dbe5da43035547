// Reads tool calls while the model writes them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/prompt.h"

namespace sluice {

struct ToolCallPart {
  enum class Kind {
    kName,       // a call begins; the whole name
    kArguments,  // of the call begun last: the next piece of the JSON text of an object
    kText,       // no call: what does not follow the format, as it was written
  };
  Kind kind = Kind::kText;
  std::string text;

  bool operator==(const ToolCallPart&) const = default;
};

// Appends how a block of calls begins whose first call is for the tool `name`; with an empty name, up to
// where the model names one. Such a block at the end of a prompt leaves the model nothing to write but a
// call.
void append_tool_call_start(std::string_view name, Prompt& prompt);

// Fed with a completion's tool call block (CompletionPart::Kind::kToolCall) in pieces of whole characters,
// gives the calls as parse_completion would: the arguments' pieces joined are ToolCall::arguments. Unlike
// it, what is malformed spoils nothing that was read before: from there on everything is text, and a call
// that is cut off keeps the arguments that came. Not thread safe.
class ToolCallStream {
 public:
  // The parts that became certain, in order; none empty.
  std::vector<ToolCallPart> push(std::string_view text);

  // What was held back, at the end of the completion.
  std::vector<ToolCallPart> finish();

 private:
  enum class State {
    kBlock,       // before the mark that opens the block
    kCall,        // before a call, or the mark that closes the block
    kName,        // after the mark that opens a call
    kParameter,   // before a parameter, or the mark that closes the call
    kValue,       // within a parameter's value
    kAfterValue,  // after the mark that closes it
    kAfterCall,   // after the mark that closes a call
    kEnd,         // after the block: nothing more should come
    kBroken,
  };

  bool step();
  bool expect(std::string_view word, State next);
  bool expect_either(std::string_view word, State next, std::string_view other, State other_next);
  bool take_name();
  bool take_parameter();
  bool take_value();
  void close_call();
  void break_off();
  void consume(size_t bytes);
  void emit(ToolCallPart::Kind kind, std::string text);

  State state_ = State::kBlock;
  std::string held_;      // not yet understood
  std::string consumed_;  // marks read since the last call ended: shown if no call follows
  bool string_value_ = false;
  bool has_parameters_ = false;
  std::vector<ToolCallPart> parts_;
};

}  // namespace sluice
