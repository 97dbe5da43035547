#include "cli/chat_flags.h"

#include <CLI/CLI.hpp>

#include "base/fail.h"
#include "cli/text_input.h"
#include "text/python_json.h"

namespace sluice {

void add_chat_flags(CLI::App& app, ChatFlags& flags) {
  app.add_option("--system", flags.system, "what the model shall be and do")
      ->type_name("TEXT")
      ->group(kChatGroup);
  app.add_option("--tools", flags.tools_file, "tools the model may call, as JSON in OpenAI's shape")
      ->type_name("FILE")
      ->group(kChatGroup);
  app.add_flag("--think,--thinking", flags.think, "let the model reason first")->group(kChatGroup);
  app.add_option("--effort", flags.effort, "of the reasoning: default, high or max")
      ->check(CLI::IsMember({"default", "high", "max"}).description(""))
      ->type_name("EFFORT")
      ->group(kChatGroup);
  app.add_flag("--hide-thinking", flags.hide_thinking, "do not show the reasoning")->group(kChatGroup);
}

ChatOptions chat_options(const ChatFlags& flags) {
  ChatOptions options;
  options.thinking_mode = flags.think ? ThinkingMode::kThinking : ThinkingMode::kChat;
  options.reasoning_effort = parse_reasoning_effort(flags.effort).value_or(ReasoningEffort::kDefault);
  return options;
}

Result<std::optional<ChatMessage>> system_message(const ChatFlags& flags) {
  std::optional<ChatMessage> none;
  if (flags.system.empty() && flags.tools_file.empty()) return none;
  ChatMessage message{.role = ChatRole::kSystem, .content = flags.system};
  if (!flags.tools_file.empty()) {
    SLUICE_ASSIGN(const std::string json, read_file_or_input(flags.tools_file));
    SLUICE_ASSIGN(message.tools, parse_tools(json, flags.tools_file));
  }
  return std::optional<ChatMessage>(std::move(message));
}

Result<std::vector<std::string>> parse_tools(const std::string& json, const std::string& file_name) {
  auto parsed = parse_json(json);
  if (!parsed) return tl::unexpected(std::move(parsed).error().in(file_name));
  const JsonValue* tools = parsed->is(JsonValue::Kind::kObject) ? parsed->find("tools") : &*parsed;
  if (tools == nullptr || !tools->is(JsonValue::Kind::kArray)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: an array of tools, or an object with \"tools\", was expected", file_name);
  }
  std::vector<std::string> functions;
  for (const JsonValue& tool : tools->items) {
    const JsonValue* function = tool.find("function");
    if (function == nullptr || !function->is(JsonValue::Kind::kObject)) {
      return fail(ErrorCode::kInvalidArgument, "{}: tools[{}].function: {} was found, an object was expected",
                  file_name, functions.size(),
                  function == nullptr ? "nothing" : json_kind_name(function->kind));
    }
    functions.push_back(python_json(*function));
  }
  return functions;
}

}  // namespace sluice
