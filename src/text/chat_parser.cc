#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <utility>

#include "base/fail.h"
#include "text/chat.h"
#include "text/chat_tokens.h"
#include "text/python_json.h"

namespace sluice {
namespace {

// What `\s` of the released parser's regular expressions matches.
constexpr std::array<std::string_view, 29> kWhiteSpace{
    " ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",   "\x1f",
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

std::string_view without_leading_space(std::string_view text) {
  while (true) {
    const auto found =
        std::ranges::find_if(kWhiteSpace, [&](std::string_view space) { return text.starts_with(space); });
    if (found == kWhiteSpace.end()) return text;
    text.remove_prefix(found->size());
  }
}

// Removes `prefix`; false, with `text` as it was, when it does not start so.
bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Removes `suffix`, which may be followed by one line break, as `$` of a regular expression allows.
bool take_last(std::string_view& text, std::string_view suffix) {
  std::string_view rest = text;
  if (!rest.ends_with(suffix) && rest.ends_with('\n')) rest.remove_suffix(1);
  if (!rest.ends_with(suffix)) return false;
  text = rest.substr(0, rest.size() - suffix.size());
  return true;
}

// Reads forward through a completion.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  // The word that ended the last read(); empty when it ran to the end of the text.
  std::string_view stop() const { return stop_; }

  // Everything before the first of `words`, and skips that word.
  std::string_view read(std::initializer_list<std::string_view> words) {
    size_t nearest = rest_.size();
    stop_ = {};
    for (const std::string_view word : words) {
      const size_t at = rest_.substr(0, std::min(rest_.size(), nearest + word.size())).find(word);
      if (at < nearest) {
        nearest = at;
        stop_ = word;
      }
    }
    const std::string_view before = rest_.substr(0, nearest);
    rest_.remove_prefix(nearest + stop_.size());
    return before;
  }

 private:
  std::string_view rest_;
  std::string_view stop_;
};

template <class... Args>
tl::unexpected<Error> malformed(fmt::format_string<Args...> format, Args&&... args) {
  return fail(ErrorCode::kCorrupt, format, std::forward<Args>(args)...);
}

struct Parameter {
  std::string_view name;
  std::string_view value;
  bool is_string = false;
};

// ` name="..." string="true|false">...<`
Result<Parameter> parse_parameter(std::string_view text) {
  constexpr std::string_view kTrue = "\" string=\"true\">";
  constexpr std::string_view kFalse = "\" string=\"false\">";
  std::string_view rest = text;
  if (take_prefix(rest, " name=\"") && take_last(rest, "<")) {
    const size_t at_true = rest.find(kTrue);
    const size_t at_false = rest.find(kFalse);
    const size_t name_bytes = std::min(at_true, at_false);
    if (name_bytes != std::string_view::npos) {
      const bool is_string = at_true < at_false;
      const size_t mark_bytes = is_string ? kTrue.size() : kFalse.size();
      return Parameter{rest.substr(0, name_bytes), rest.substr(name_bytes + mark_bytes), is_string};
    }
  }
  return malformed("Parameter format error: '{}'", text);
}

// The parameters of a call as the text of a JSON object. A value that is not marked as a string is taken as
// the model wrote it, unchecked.
Result<std::string> parse_arguments(Reader& reader) {
  std::vector<std::string_view> names;
  std::string arguments = "{";
  while (reader.stop() == kParameterStart) {
    SLUICE_ASSIGN(const Parameter parameter, parse_parameter(reader.read({kParameterEnd})));
    if (std::ranges::find(names, parameter.name) != names.end()) {
      return malformed("Duplicate parameter name: '{}'", parameter.name);
    }
    if (!names.empty()) arguments += ", ";
    names.push_back(parameter.name);
    arguments += python_json_string(parameter.name) + ": ";
    arguments += parameter.is_string ? python_json_string(parameter.value) : std::string(parameter.value);
    const std::string_view between = reader.read({kParameterStart, kInvokeEnd});
    if (between != ">\n") return malformed("Parameter format error: expected '>\\n' but got '{}'", between);
  }
  return arguments + "}";
}

// ` name="...">` and a line break
Result<std::string_view> parse_tool_name(std::string_view text) {
  std::string_view rest = without_leading_space(text);
  if (take_prefix(rest, "name=\"") && take_last(rest, "\">\n")) return rest;
  return malformed("Tool name format error: '{}'", text);
}

Result<std::vector<ToolCall>> parse_tool_calls(Reader& reader) {
  std::vector<ToolCall> calls;
  while (!reader.at_end()) {
    const std::string_view between = reader.read({kInvokeStart, kToolCallsEnd});
    if (between != ">\n") return malformed("Tool call format error: expected '>\\n' but got '{}'", between);
    if (reader.stop() == kToolCallsEnd) break;
    if (reader.stop().empty()) return malformed("Missing special token in tool calls");
    ToolCall call;
    SLUICE_ASSIGN(const std::string_view name, parse_tool_name(reader.read({kParameterStart, kInvokeEnd})));
    call.name = name;
    SLUICE_ASSIGN(call.arguments, parse_arguments(reader));
    calls.push_back(std::move(call));
  }
  return calls;
}

Status check_no_special(const ChatMessage& message) {
  for (const std::string_view token : {kBos, kEos, kThinkStart, kThinkEnd, kDsml}) {
    if (message.content.find(token) != std::string::npos ||
        message.reasoning_content.find(token) != std::string::npos) {
      return malformed("Unexpected special token '{}' in content", token);
    }
  }
  return {};
}

}  // namespace

Result<ChatMessage> parse_completion(std::string_view text, ThinkingMode mode) {
  Reader reader(text);
  ChatMessage message{.role = ChatRole::kAssistant};
  if (mode == ThinkingMode::kThinking) {
    message.reasoning_content = reader.read({kThinkEnd, kToolCallsStart});
    if (reader.stop() != kThinkEnd) return malformed("Invalid thinking format: missing </think>");
  }
  message.content = reader.read({kEos, kToolCallsStart});
  if (reader.stop() == kToolCallsStart) {
    SLUICE_ASSIGN(message.tool_calls, parse_tool_calls(reader));
    if (!reader.read({kEos}).empty()) return malformed("Unexpected content after tool calls");
  } else if (reader.stop() != kEos) {
    return malformed("Invalid format: missing EOS token");
  }
  if (!reader.at_end()) return malformed("Unexpected content at end");
  SLUICE_TRY(check_no_special(message));
  return message;
}

}  // namespace sluice
