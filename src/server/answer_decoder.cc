#include "server/answer_decoder.h"

#include <algorithm>
#include <utility>

namespace sluice {

AnswerDecoder::AnswerDecoder(const Tokenizer& tokenizer, const AnswerRequest& request)
    : tokenizer_(tokenizer),
      stop_(request.stop),
      may_call_(request.may_call),
      detokenizer_(tokenizer),
      reasoning_(request.turn == ThinkingMode::kThinking) {
  if (request.turn) turn_.emplace(*request.turn);
  if (!request.answer_start.empty()) take_text(request.answer_start);
}

std::vector<AnswerPart> AnswerDecoder::push(int32_t id) {
  if (turn_ || !tokenizer_.is_special(id)) take_text(detokenizer_.push(id));
  if (reasoning_) ++reasoning_tokens_;
  return std::exchange(parts_, {});
}

std::vector<AnswerPart> AnswerDecoder::finish() {
  if (!stopped_by_) {
    take_text(detokenizer_.finish());
    if (turn_) take(turn_->finish());
    if (in_calls_) take(calls_.finish());
    if (!stopped_by_) emit(AnswerPart::Kind::kContent, std::exchange(held_content_, {}));
  }
  return std::exchange(parts_, {});
}

void AnswerDecoder::take_text(const std::string& text) {
  if (text.empty()) return;
  if (turn_) {
    take(turn_->push(text));
  } else {
    take_content(text);
  }
}

void AnswerDecoder::take(const std::vector<CompletionPart>& parts) {
  for (const CompletionPart& part : parts) {
    if (stopped_by_) return;
    reasoning_ = part.kind == CompletionPart::Kind::kReasoning;
    switch (part.kind) {
      case CompletionPart::Kind::kReasoning:
        emit(AnswerPart::Kind::kReasoning, part.text);
        break;
      case CompletionPart::Kind::kContent:
        take_content(part.text);
        break;
      case CompletionPart::Kind::kToolCall:
        if (!may_call_) {
          take_content(part.text);
          break;
        }
        if (!in_calls_ && !stopped_by_) emit(AnswerPart::Kind::kContent, std::exchange(held_content_, {}));
        in_calls_ = true;
        take(calls_.push(part.text));
        break;
    }
  }
}

void AnswerDecoder::take(const std::vector<ToolCallPart>& parts) {
  for (const ToolCallPart& part : parts) {
    switch (part.kind) {
      case ToolCallPart::Kind::kName:
        called_tools_ = true;
        emit(AnswerPart::Kind::kToolName, part.text);
        break;
      case ToolCallPart::Kind::kArguments:
        emit(AnswerPart::Kind::kToolArguments, part.text);
        break;
      case ToolCallPart::Kind::kText:
        take_content(part.text);
        break;
    }
  }
}

void AnswerDecoder::take_content(const std::string& text) {
  if (stopped_by_) return;
  held_content_ += text;
  size_t end = std::string::npos;
  for (const std::string& stop : stop_) {
    const size_t at = held_content_.find(stop);
    if (at >= end) continue;
    end = at;
    stopped_by_ = stop;
  }
  if (stopped_by_) {
    emit(AnswerPart::Kind::kContent, held_content_.substr(0, end));
    held_content_.clear();
    return;
  }
  size_t held_bytes = 0;  // of the end, which may be the start of a stop text
  for (const std::string& stop : stop_) {
    size_t count = std::min(held_content_.size(), stop.size() - 1);
    while (!held_content_.ends_with(std::string_view(stop).substr(0, count))) --count;
    held_bytes = std::max(held_bytes, count);
  }
  const size_t certain_bytes = held_content_.size() - held_bytes;
  emit(AnswerPart::Kind::kContent, held_content_.substr(0, certain_bytes));
  held_content_.erase(0, certain_bytes);
}

void AnswerDecoder::emit(AnswerPart::Kind kind, std::string text) {
  if (text.empty()) return;
  parts_.push_back({kind, std::move(text)});
}

}  // namespace sluice
