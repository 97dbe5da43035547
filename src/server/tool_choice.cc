#include "server/tool_choice.h"

#include <algorithm>

#include "base/fail.h"
#include "text/tool_call_stream.h"

namespace sluice {
namespace {

bool has_tools(const Conversation& conversation) {
  return std::ranges::any_of(conversation, [](const ChatMessage& message) { return !message.tools.empty(); });
}

}  // namespace

ChatMessage& system_message_of(Conversation& conversation) {
  if (conversation.empty() || conversation.front().role != ChatRole::kSystem) {
    conversation.insert(conversation.begin(), {.role = ChatRole::kSystem});
  }
  return conversation.front();
}

Status offer_tools(const std::vector<NamedTool>& tools, const ToolChoice& choice, ThinkingMode mode,
                   Conversation& conversation) {
  if (choice.must_call() && tools.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        "tools: nothing was found, an array of tools was expected, since tool_choice asks for a call");
  }
  if (choice.kind == ToolChoice::Kind::kNamed &&
      std::ranges::find(tools, choice.name, &NamedTool::name) == tools.end()) {
    return fail(ErrorCode::kInvalidArgument,
                "tool_choice: \"{}\" was found, the name of one of the tools was expected", choice.name);
  }
  if (choice.must_call() && mode == ThinkingMode::kThinking) {
    return fail(ErrorCode::kInvalidArgument,
                "tool_choice: a call was asked for, and the model was asked to reason first: turn one of the "
                "two off");
  }
  if (tools.empty() || choice.kind == ToolChoice::Kind::kNone) return {};
  ChatMessage& system = system_message_of(conversation);
  for (const NamedTool& tool : tools) system.tools.push_back(tool.json);
  return {};
}

Status write_prompt(const Conversation& conversation, const ChatOptions& options, const ToolChoice& choice,
                    AnswerRequest& request) {
  SLUICE_ASSIGN(request.prompt, encode_chat(conversation, options));
  request.turn = options.thinking_mode;
  request.may_call = choice.kind != ToolChoice::Kind::kNone && has_tools(conversation);
  if (!choice.must_call()) return {};
  const size_t begin = request.prompt.text.size();
  append_tool_call_start(choice.name, request.prompt);
  request.answer_start = request.prompt.text.substr(begin);
  return {};
}

Status check_stop_texts(const std::vector<std::string>& stop, const char* field) {
  if (stop.size() > kMaxStopTexts) {
    return fail(ErrorCode::kInvalidArgument, "{}: {} texts were found, at most {} were expected", field,
                stop.size(), kMaxStopTexts);
  }
  for (const std::string& text : stop) {
    if (!text.empty() && text.size() <= kMaxStopBytes) continue;
    return fail(ErrorCode::kInvalidArgument, "{}: a text of {} bytes was found, 1 to {} were expected", field,
                text.size(), kMaxStopBytes);
  }
  return {};
}

}  // namespace sluice
