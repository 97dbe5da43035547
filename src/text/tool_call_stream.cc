#include "text/tool_call_stream.h"

#include <algorithm>
#include <utility>

#include "text/chat_tokens.h"
#include "text/python_json.h"

namespace sluice {
namespace {

constexpr std::string_view kNameStart = " name=\"";
constexpr std::string_view kNameEnd = "\">\n";
constexpr std::string_view kMarkEnd = ">\n";
constexpr std::string_view kStringMark = "\" string=\"true\">";
constexpr std::string_view kJsonMark = "\" string=\"false\">";
constexpr std::string_view kValueEnd = "</｜DSML｜parameter";
static_assert(kValueEnd.substr(1) == kParameterEnd);

// True when `text`, as far as it goes, may still become `word`.
bool may_become(std::string_view text, std::string_view word) {
  return word.starts_with(text.substr(0, word.size()));
}

// The inside of a JSON string.
std::string escaped(std::string_view text) {
  const std::string quoted = python_json_string(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

void append_tool_call_start(std::string_view name, Prompt& prompt) {
  for (const std::string_view mark : {kToolCallsStart, kMarkEnd, kInvokeStart, kNameStart}) {
    prompt.append_template(mark);
  }
  if (name.empty()) return;
  prompt.append_untrusted(name);
  prompt.append_template(kNameEnd);
}

std::vector<ToolCallPart> ToolCallStream::push(std::string_view text) {
  held_ += text;
  while (step()) continue;
  return std::exchange(parts_, {});
}

std::vector<ToolCallPart> ToolCallStream::finish() {
  if (state_ == State::kValue) {
    emit(ToolCallPart::Kind::kArguments, string_value_ ? escaped(held_) : held_);
    held_.clear();
  } else if (state_ != State::kEnd) {
    break_off();
  }
  return std::exchange(parts_, {});
}

// One move of the machine; false when it needs more text.
bool ToolCallStream::step() {
  if (held_.empty()) return false;
  switch (state_) {
    case State::kBlock:
      return expect(std::string(kToolCallsStart) + std::string(kMarkEnd), State::kCall);
    case State::kCall:
      return expect_either(kInvokeStart, State::kName, kToolCallsEnd, State::kEnd);
    case State::kName:
      return take_name();
    case State::kParameter:
      if (!has_parameters_ && held_.starts_with('\n')) consume(1);  // how a call without any is written
      return expect_either(kParameterStart, State::kValue, kInvokeEnd, State::kAfterCall);
    case State::kValue:
      return take_value();
    case State::kAfterValue:
      return expect(kMarkEnd, State::kParameter);
    case State::kAfterCall:
      return expect(kMarkEnd, State::kCall);
    case State::kEnd:
    case State::kBroken:
      break_off();
      return false;
  }
  return false;
}

bool ToolCallStream::expect(std::string_view word, State next) {
  if (!may_become(held_, word)) {
    break_off();
  } else if (held_.size() >= word.size()) {
    consume(word.size());
    state_ = next;
    return true;
  }
  return false;
}

bool ToolCallStream::expect_either(std::string_view word, State next, std::string_view other,
                                   State other_next) {
  if (held_.empty()) return false;
  const bool other_fits = may_become(held_, other);
  if (!other_fits && next == State::kValue && held_.starts_with(word)) return take_parameter();
  if (!other_fits) return expect(word, next);
  if (may_become(held_, word)) return false;  // the two share a beginning
  if (!expect(other, other_next)) return false;
  if (other_next == State::kAfterCall) close_call();
  if (other_next == State::kEnd) consumed_.clear();
  return true;
}

bool ToolCallStream::take_name() {
  if (!may_become(held_, kNameStart)) {
    break_off();
    return false;
  }
  const size_t end = held_.find(kNameEnd, kNameStart.size());
  if (end == std::string::npos) return false;
  emit(ToolCallPart::Kind::kName, held_.substr(kNameStart.size(), end - kNameStart.size()));
  consume(end + kNameEnd.size());
  consumed_.clear();
  has_parameters_ = false;
  state_ = State::kParameter;
  return true;
}

// REQUIRES that held_ starts with the mark that opens a parameter.
bool ToolCallStream::take_parameter() {
  const size_t begin = kParameterStart.size() + kNameStart.size();
  if (!may_become(std::string_view(held_).substr(kParameterStart.size()), kNameStart)) {
    break_off();
    return false;
  }
  const size_t as_string = held_.find(kStringMark, begin);
  const size_t as_json = held_.find(kJsonMark, begin);
  const size_t end = std::min(as_string, as_json);
  if (end == std::string::npos) return false;
  string_value_ = as_string < as_json;
  const std::string name = python_json_string(std::string_view(held_).substr(begin, end - begin));
  emit(ToolCallPart::Kind::kArguments,
       (has_parameters_ ? ", " : "{") + name + ": " + (string_value_ ? "\"" : ""));
  consume(end + (string_value_ ? kStringMark.size() : kJsonMark.size()));
  has_parameters_ = true;
  state_ = State::kValue;
  return true;
}

bool ToolCallStream::take_value() {
  const size_t end = held_.find(kValueEnd);
  const bool ends = end != std::string::npos;
  const size_t certain_bytes = ends ? end : held_.size() - possible_start_bytes(held_, kValueEnd);
  const std::string_view value = std::string_view(held_).substr(0, certain_bytes);
  std::string piece = string_value_ ? escaped(value) : std::string(value);
  if (ends && string_value_) piece += '"';
  emit(ToolCallPart::Kind::kArguments, std::move(piece));
  consume(certain_bytes + (ends ? kValueEnd.size() : 0));
  if (ends) state_ = State::kAfterValue;
  return ends;
}

void ToolCallStream::close_call() {
  emit(ToolCallPart::Kind::kArguments, has_parameters_ ? "}" : "{}");
  consumed_.clear();
}

// What follows is no call. Marks that announced none are part of the text.
void ToolCallStream::break_off() {
  emit(ToolCallPart::Kind::kText, std::exchange(consumed_, {}) + std::exchange(held_, {}));
  state_ = State::kBroken;
}

void ToolCallStream::consume(size_t bytes) {
  const bool of_a_call = state_ == State::kParameter || state_ == State::kValue ||
                         state_ == State::kAfterValue || state_ == State::kAfterCall;
  if (!of_a_call) consumed_.append(held_, 0, bytes);
  held_.erase(0, bytes);
}

void ToolCallStream::emit(ToolCallPart::Kind kind, std::string text) {
  if (!text.empty()) parts_.push_back({kind, std::move(text)});
}

}  // namespace sluice
