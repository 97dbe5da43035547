// A conversation with whoever answers, turn by turn.
#pragma once

#include <optional>
#include <string>

#include "cli/chat_partner.h"
#include "cli/console.h"
#include "cli/interrupts.h"
#include "cli/line_reader.h"
#include "text/chat.h"

namespace sluice {

struct ChatSettings {
  std::optional<ChatMessage> system;
  ChatOptions options;
  bool hide_thinking = false;
};

class ChatSession {
 public:
  // All must outlive this object.
  ChatSession(ChatPartner& partner, ChatSettings settings, Console& console, const Interrupts& interrupts)
      : partner_(partner), settings_(std::move(settings)), console_(console), interrupts_(interrupts) {}

  // Takes lines until the person leaves. Errors only of the input and the output: a failed answer is shown,
  // and the conversation goes on without it.
  Status talk(LineReader& lines);

 private:
  // A line, joined with the next ones while it ends in a backslash. Nothing when the person leaves.
  Result<std::optional<std::string>> next_line(LineReader& lines);
  // False: the person leaves.
  bool obey(const std::string& line);
  void answer(std::string message);
  Result<ChatMessage> reply_to(const Conversation& conversation);
  void clear();
  void think(bool on);
  void set_system(std::string text);
  void save(const std::string& file);
  void load(const std::string& file);
  void show_stats();
  void say(std::string_view text);

  ChatPartner& partner_;
  ChatSettings settings_;
  Console& console_;
  const Interrupts& interrupts_;
  Conversation turns_;     // without the system message
  std::string last_cost_;  // of the last answer; empty: there was none
  uint64_t answers_ = 0;
  uint64_t new_tokens_ = 0;
};

}  // namespace sluice
