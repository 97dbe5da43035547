// What both APIs ask of a conversation: tools to offer, a call to make, texts to stop at.
#pragma once

#include <string>
#include <vector>

#include "server/answer_request.h"
#include "sluice/result.h"
#include "text/chat.h"

namespace sluice {

struct NamedTool {
  std::string name;
  std::string json;  // as ChatMessage::tools wants it
};

struct ToolChoice {
  enum class Kind {
    kAuto,   // the model decides
    kNone,   // the model does not get to know the tools
    kAny,    // some tool must be called
    kNamed,  // this one must
  };
  Kind kind = Kind::kAuto;
  std::string name{};  // kNamed
  bool must_call() const { return kind == Kind::kAny || kind == Kind::kNamed; }
};

// The conversation's first message if it is of the system, else a new empty one in front of it.
ChatMessage& system_message_of(Conversation& conversation);

// Gives the tools to the conversation. kInvalidArgument when the choice cannot be kept: no such tool, or
// reasoning would come before the call.
Status offer_tools(const std::vector<NamedTool>& tools, const ToolChoice& choice, ThinkingMode mode,
                   Conversation& conversation);

// Encodes the conversation as request.prompt. When a call must be made, the prompt ends with its beginning,
// so that the model can do nothing else. Errors of encode_chat.
Status write_prompt(const Conversation& conversation, const ChatOptions& options, const ToolChoice& choice,
                    AnswerRequest& request);

// kInvalidArgument, naming the field, for a text that is empty or too long, or too many of them.
Status check_stop_texts(const std::vector<std::string>& stop, const char* field);

}  // namespace sluice
