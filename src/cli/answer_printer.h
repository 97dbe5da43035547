// Shows what a model writes while it writes it, and keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"
#include "sluice/engine.h"
#include "text/chat.h"
#include "text/completion_stream.h"
#include "text/detokenizer.h"

namespace sluice {

// Text without turns: special tokens are hidden. One generation per object.
class StoryPrinter {
 public:
  // Both must outlive this object.
  StoryPrinter(const Tokenizer& tokenizer, Output& output)
      : tokenizer_(tokenizer), output_(output), detokenizer_(tokenizer) {}

  void push(int32_t id);
  // Shows what was held back, ends the line, and gives the whole text (without that line break).
  std::string finish();

 private:
  void show(const std::string& text);

  const Tokenizer& tokenizer_;
  Output& output_;
  Detokenizer detokenizer_;
  std::string text_;
};

// The text of the token that ends a turn, which generation leaves out. REQUIRES engine.tokenizer() !=
// nullptr.
std::string_view end_of_turn_text(Engine& engine);

// Shows a turn of an assistant while it comes. The answer goes to one stream; the reasoning, dimmed, to
// another. Calls are shown as calls: "-> get_weather({"city": "Paris"})". One turn per object; a copy goes on
// with the same turn.
class TurnPrinter {
 public:
  // Both must outlive this object.
  TurnPrinter(Output& answer, Output& thinking) : answer_(answer), thinking_(thinking) {}

  void reasoning(std::string_view text);
  void content(std::string_view text);
  // Ends the turn's text, and shows its calls.
  void finish(const std::vector<ToolCall>& calls);

 private:
  Output& answer_;
  Output& thinking_;
  bool in_content_ = false;
};

// A turn of an assistant from its tokens. One generation per object.
class AnswerPrinter {
 public:
  // `tokenizer` must outlive this object.
  AnswerPrinter(const Tokenizer& tokenizer, ThinkingMode mode, TurnPrinter printer)
      : mode_(mode), printer_(printer), detokenizer_(tokenizer), stream_(mode) {}

  void push(int32_t id) { take(detokenizer_.push(id)); }

  // Shows what was held back, ends the line, and gives the message. `end_of_text` is the text of the token
  // that ended the turn, empty when it was cut off. A turn that is cut off or malformed is kept as it was
  // written.
  ChatMessage finish(std::string_view end_of_text);

 private:
  void take(const std::string& text);
  void show(const CompletionPart& part);
  ChatMessage message(std::string_view end_of_text) const;

  ThinkingMode mode_;
  TurnPrinter printer_;
  Detokenizer detokenizer_;
  CompletionStream stream_;
  std::string text_;       // everything
  std::string reasoning_;  // its parts
  std::string content_;
  std::string calls_;
};

}  // namespace sluice
