#include "cli/answer_printer.h"

#include <utility>

#include "engine/loaded_model.h"

namespace sluice {

void StoryPrinter::push(int32_t id) {
  if (!tokenizer_.is_special(id)) show(detokenizer_.push(id));
}

std::string StoryPrinter::finish() {
  show(detokenizer_.finish());
  output_.end_line();
  return std::move(text_);
}

void StoryPrinter::show(const std::string& text) {
  text_ += text;
  output_.write_foreign(text);
}

std::string_view end_of_turn_text(Engine& engine) {
  const auto& ids = engine.loaded().checkpoint.config().eos_token_ids;
  return ids.empty() ? std::string_view()
                     : engine.tokenizer()->token_bytes(static_cast<int32_t>(ids.front()));
}

void TurnPrinter::reasoning(std::string_view text) {
  thinking_.write(thinking_.styled(Style::kDim, without_controls(text)));
}

void TurnPrinter::content(std::string_view text) {
  if (!std::exchange(in_content_, true)) thinking_.end_line();
  answer_.write_foreign(text);
}

void TurnPrinter::finish(const std::vector<ToolCall>& calls) {
  thinking_.end_line();
  answer_.end_line();
  for (const ToolCall& call : calls) {
    answer_.write(
        answer_.styled(Style::kYellow, "-> " + without_controls(call.name + "(" + call.arguments + ")")));
    answer_.end_line();
  }
}

void AnswerPrinter::take(const std::string& text) {
  text_ += text;
  for (const CompletionPart& part : stream_.push(text)) show(part);
}

void AnswerPrinter::show(const CompletionPart& part) {
  switch (part.kind) {
    case CompletionPart::Kind::kReasoning:
      reasoning_ += part.text;
      printer_.reasoning(part.text);
      break;
    case CompletionPart::Kind::kContent:
      content_ += part.text;
      printer_.content(part.text);
      break;
    case CompletionPart::Kind::kToolCall:
      calls_ += part.text;
      break;
  }
}

ChatMessage AnswerPrinter::finish(std::string_view end_of_text) {
  take(detokenizer_.finish());
  for (const CompletionPart& part : stream_.finish()) show(part);
  ChatMessage written = message(end_of_text);
  if (written.tool_calls.empty() && !calls_.empty()) printer_.content(calls_);
  printer_.finish(written.tool_calls);
  return written;
}

ChatMessage AnswerPrinter::message(std::string_view end_of_text) const {
  if (!end_of_text.empty()) {
    auto parsed = parse_completion(text_ + std::string(end_of_text), mode_);
    if (parsed) return *std::move(parsed);
  }
  return {.role = ChatRole::kAssistant, .content = content_ + calls_, .reasoning_content = reasoning_};
}

}  // namespace sluice
