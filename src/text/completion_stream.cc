#include "text/completion_stream.h"

#include <utility>

#include "text/chat_tokens.h"

namespace sluice {
namespace {

// The mark that ends a kind of text; empty when nothing does.
std::string_view end_mark(CompletionPart::Kind kind) {
  switch (kind) {
    case CompletionPart::Kind::kReasoning:
      return kThinkEnd;
    case CompletionPart::Kind::kContent:
      return kToolCallsStart;
    case CompletionPart::Kind::kToolCall:
      return {};
  }
  return {};
}

void append(CompletionPart::Kind kind, std::string_view text, std::vector<CompletionPart>& parts) {
  if (!text.empty()) parts.push_back({kind, std::string(text)});
}

}  // namespace

CompletionStream::CompletionStream(ThinkingMode mode)
    : kind_(mode == ThinkingMode::kThinking ? CompletionPart::Kind::kReasoning
                                            : CompletionPart::Kind::kContent) {}

std::vector<CompletionPart> CompletionStream::push(std::string_view text) {
  held_ += text;
  std::string_view rest = held_;
  std::vector<CompletionPart> parts;
  while (true) {
    const std::string_view mark = end_mark(kind_);
    const size_t at = mark.empty() ? std::string_view::npos : rest.find(mark);
    if (at == std::string_view::npos) break;
    append(kind_, rest.substr(0, at), parts);
    if (kind_ == CompletionPart::Kind::kReasoning) {
      rest.remove_prefix(at + mark.size());
      kind_ = CompletionPart::Kind::kContent;
    } else {
      rest.remove_prefix(at);  // the mark belongs to the block it opens
      kind_ = CompletionPart::Kind::kToolCall;
    }
  }
  const size_t certain_bytes = rest.size() - possible_start_bytes(rest, end_mark(kind_));
  append(kind_, rest.substr(0, certain_bytes), parts);
  held_ = std::string(rest.substr(certain_bytes));
  return parts;
}

std::vector<CompletionPart> CompletionStream::finish() {
  std::vector<CompletionPart> parts;
  append(kind_, std::exchange(held_, {}), parts);
  return parts;
}

}  // namespace sluice
