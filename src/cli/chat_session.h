// A conversation with a model, turn by turn.
#pragma once

#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/interrupts.h"
#include "cli/line_reader.h"
#include "cli/sampling_flags.h"
#include "sluice/engine.h"
#include "text/chat.h"

namespace sluice {

struct ChatSettings {
  std::optional<ChatMessage> system;
  ChatOptions options;
  SamplingFlags sampling;
  uint64_t max_tokens = 0;  // an answer; 0: no limit
  bool hide_thinking = false;
};

class ChatSession {
 public:
  // All must outlive this object. REQUIRES engine.tokenizer() != nullptr.
  ChatSession(Engine& engine, Session session, ChatSettings settings, Console& console,
              const Interrupts& interrupts)
      : engine_(engine),
        session_(std::move(session)),
        settings_(std::move(settings)),
        console_(console),
        interrupts_(interrupts) {}

  // Takes lines until the person leaves. Errors only of the input and the output: a failed answer is shown,
  // and the conversation goes on without it.
  Status talk(LineReader& lines);

 private:
  // A line, joined with the next ones while it ends in a backslash. Nothing when the person leaves.
  Result<std::optional<std::string>> next_line(LineReader& lines);
  // False: the person leaves.
  bool obey(const std::string& line);
  void answer(std::string message);
  Result<ChatMessage> generate(const Conversation& conversation);
  void set_system(std::string text);
  void show_stats();
  void say(std::string_view text);

  Engine& engine_;
  Session session_;
  ChatSettings settings_;
  Console& console_;
  const Interrupts& interrupts_;
  Conversation turns_;  // without the system message
  std::optional<GenerationResult> last_;
  uint64_t answers_ = 0;
  uint64_t new_tokens_ = 0;
};

}  // namespace sluice
