// Who answers in a conversation: a model in this process, or a server.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "cli/answer_printer.h"
#include "sluice/result.h"
#include "text/chat.h"

namespace sluice {

// Used by one thread.
class ChatPartner {
 public:
  struct Reply {
    ChatMessage message{};
    uint64_t new_tokens = 0;
    std::string cost{};  // in a line for people: summary_of()
    bool context_full = false;
  };

  virtual ~ChatPartner() = default;

  // Answers the last message of `conversation`, and shows the answer while it comes. One that `cancel` stops
  // is as long as it got. After an error nothing is kept of it, and the next answer may well work.
  virtual Result<Reply> answer(const Conversation& conversation, const ChatOptions& options,
                               TurnPrinter printer, const std::stop_token& cancel) = 0;

  // The next conversation is another one.
  virtual void forget() = 0;

  // How whoever answers is, for people: lines.
  virtual Result<std::string> state(const std::stop_token& cancel) = 0;
};

}  // namespace sluice
