#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/fail.h"
#include "text/chat.h"
#include "text/chat_tokens.h"
#include "text/python_json.h"

namespace sluice {
namespace {

constexpr std::string_view kMaxEffort =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the "
    "root "
    "cause, rigorously stress-testing your logic against all potential paths, edge cases, and adversarial "
    "scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, considered "
    "alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.\n\n";

constexpr std::string_view kToolsHead =
    "## Tools\n\n"
    "You have access to a set of tools to help answer the user's question. You can invoke tools by writing a "
    "\"<｜DSML｜tool_calls>\" block like the following:\n\n"
    "<｜DSML｜tool_calls>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME\">\n"
    "<｜DSML｜parameter name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE</｜DSML｜parameter>\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"$TOOL_NAME2\">\n"
    "...\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>\n\n"
    "String parameters should be specified as is and set `string=\"true\"`. For all other types (numbers, "
    "booleans, "
    "arrays, objects), pass the value in JSON format and set `string=\"false\"`.\n\n"
    "If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside "
    "<think>...</think> BEFORE any tool calls or final response.\n\n"
    "Otherwise, output directly after </think> with tool calls or final response.\n\n"
    "### Available Tool Schemas\n\n";

constexpr std::string_view kToolsTail =
    "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.\n";

constexpr std::string_view kResponseFormatHead =
    "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n";

// One block of a user turn. Several messages may make one turn: results of tools, then a question.
struct UserBlock {
  bool is_tool_result = false;
  std::string_view text;
  std::string_view tool_call_id;
};

// A turn of the format: a message, or several of user and tool merged.
struct Turn {
  ChatRole role = ChatRole::kUser;       // never kTool
  const ChatMessage* message = nullptr;  // the first of the merged ones
  size_t message_index = 0;              // of `message`, for errors
  std::vector<UserBlock> blocks;         // kUser only
  std::optional<ChatTask> task;          // a turn that opens with a tool result has none
};

std::vector<Turn> merge_turns(std::span<const ChatMessage> messages) {
  std::vector<Turn> turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const bool is_tool = message.role == ChatRole::kTool;
    if (!is_tool && message.role != ChatRole::kUser) {
      turns.push_back({message.role, &message, i, {}, message.task});
      continue;
    }
    // A question after a task opens a turn of its own; a tool's result does not.
    const bool joins =
        !turns.empty() && turns.back().role == ChatRole::kUser && (is_tool || !turns.back().task);
    if (!joins) turns.push_back({ChatRole::kUser, &message, i, {}, is_tool ? std::nullopt : message.task});
    turns.back().blocks.push_back({is_tool, message.content, message.tool_call_id});
  }
  return turns;
}

// Puts the tool results of a turn into the order of the calls they answer; other blocks keep their places.
void sort_results(std::vector<UserBlock>& blocks,
                  const std::unordered_map<std::string_view, size_t>& call_order) {
  std::vector<UserBlock> results;
  std::ranges::copy_if(blocks, std::back_inserter(results), &UserBlock::is_tool_result);
  std::ranges::stable_sort(results, {}, [&](const UserBlock& result) {
    const auto place = call_order.find(result.tool_call_id);
    return place == call_order.end() ? 0 : place->second;
  });
  auto next = results.begin();
  for (UserBlock& block : blocks) {
    if (block.is_tool_result) block = *next++;
  }
}

void sort_all_results(std::vector<Turn>& turns) {
  std::unordered_map<std::string_view, size_t> call_order;
  for (Turn& turn : turns) {
    if (turn.role == ChatRole::kUser && !call_order.empty()) sort_results(turn.blocks, call_order);
    if (turn.role != ChatRole::kAssistant || turn.message->tool_calls.empty()) continue;
    call_order.clear();
    for (size_t i = 0; i < turn.message->tool_calls.size(); ++i) {
      const std::string& id = turn.message->tool_calls[i].id;
      if (!id.empty()) call_order[id] = i;
    }
  }
}

bool is_question(const Turn& turn) {
  return turn.role == ChatRole::kUser || turn.role == ChatRole::kDeveloper;
}

// Index of the last user or developer turn; -1 when there is none.
ptrdiff_t last_question(std::span<const Turn> turns) {
  for (size_t i = turns.size(); i > 0; --i) {
    if (is_question(turns[i - 1])) return static_cast<ptrdiff_t>(i) - 1;
  }
  return -1;
}

// Developer turns before the last question go together with the reasoning they asked for.
void drop_old_developer_turns(std::vector<Turn>& turns) {
  const ptrdiff_t last = last_question(turns);
  ptrdiff_t index = 0;
  std::erase_if(turns, [&](const Turn& turn) { return index++ < last && turn.role == ChatRole::kDeveloper; });
}

std::string_view task_token(ChatTask task) {
  switch (task) {
    case ChatTask::kAction:
      return "<｜action｜>";
    case ChatTask::kQuery:
      return "<｜query｜>";
    case ChatTask::kAuthority:
      return "<｜authority｜>";
    case ChatTask::kDomain:
      return "<｜domain｜>";
    case ChatTask::kTitle:
      return "<｜title｜>";
    case ChatTask::kReadUrl:
      return "<｜read_url｜>";
  }
  return "";
}

// Writes turns into a prompt, one after the other.
class Writer {
 public:
  Writer(std::span<const Turn> turns, ThinkingMode mode, bool drop_thinking)
      : turns_(turns),
        thinking_(mode == ThinkingMode::kThinking),
        drop_thinking_(drop_thinking),
        last_question_(last_question(turns)) {}

  Status write(size_t index, Prompt& prompt) const {
    const Turn& turn = turns_[index];
    switch (turn.role) {
      case ChatRole::kSystem:
        prompt.append_untrusted(turn.message->content);
        write_instructions(*turn.message, prompt);
        break;
      case ChatRole::kDeveloper:
        if (turn.message->content.empty()) {
          return fail(ErrorCode::kInvalidArgument, "messages[{}].content: a developer message needs content",
                      turn.message_index);
        }
        prompt.append_template(kUserTurn);
        prompt.append_untrusted(turn.message->content);
        write_instructions(*turn.message, prompt);
        break;
      case ChatRole::kUser:
        write_user(turn, prompt);
        break;
      case ChatRole::kLatestReminder:
        prompt.append_template(kLatestReminder);
        prompt.append_untrusted(turn.message->content);
        break;
      case ChatRole::kAssistant:
        SLUICE_TRY(write_assistant(index, prompt));
        break;
      case ChatRole::kTool:
        return fail(ErrorCode::kInternal, "a tool message was not merged into a user turn");
    }
    write_transition(index, prompt);
    return {};
  }

 private:
  static void write_instructions(const ChatMessage& message, Prompt& prompt);
  static void write_user(const Turn& turn, Prompt& prompt);
  static Status write_calls(const Turn& turn, Prompt& prompt);
  static Status write_parameters(const ToolCall& call, const std::string& where, Prompt& prompt);
  Status write_assistant(size_t index, Prompt& prompt) const;
  void write_transition(size_t index, Prompt& prompt) const;

  std::span<const Turn> turns_;
  bool thinking_;
  bool drop_thinking_;
  ptrdiff_t last_question_;
};

void Writer::write_instructions(const ChatMessage& message, Prompt& prompt) {
  if (!message.tools.empty()) {
    prompt.append_template("\n\n");
    prompt.append_template(kToolsHead);
    for (size_t i = 0; i < message.tools.size(); ++i) {
      if (i > 0) prompt.append_template("\n");
      prompt.append_untrusted(message.tools[i]);
    }
    prompt.append_template(kToolsTail);
  }
  if (!message.response_format.empty()) {
    prompt.append_template("\n\n");
    prompt.append_template(kResponseFormatHead);
    prompt.append_untrusted(message.response_format);
  }
}

void Writer::write_user(const Turn& turn, Prompt& prompt) {
  prompt.append_template(kUserTurn);
  for (size_t i = 0; i < turn.blocks.size(); ++i) {
    const UserBlock& block = turn.blocks[i];
    if (i > 0) prompt.append_template("\n\n");
    if (block.is_tool_result) prompt.append_template("<tool_result>");
    prompt.append_untrusted(block.text);
    if (block.is_tool_result) prompt.append_template("</tool_result>");
  }
}

Status Writer::write_parameters(const ToolCall& call, const std::string& where, Prompt& prompt) {
  JsonValue arguments;
  if (auto parsed = parse_json(call.arguments); parsed) {
    arguments = std::move(*parsed);
  } else {  // not JSON: one parameter that holds the text
    arguments.kind = JsonValue::Kind::kObject;
    arguments.keys.emplace_back("arguments");
    arguments.items.push_back({.kind = JsonValue::Kind::kString, .text = call.arguments});
  }
  if (!arguments.is(JsonValue::Kind::kObject)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}.function.arguments: {} was found, the JSON text of an object was "
                "expected",
                where, json_kind_name(arguments.kind));
  }
  for (size_t i = 0; i < arguments.items.size(); ++i) {
    const JsonValue& value = arguments.items[i];
    const bool is_string = value.is(JsonValue::Kind::kString);
    if (i > 0) prompt.append_template("\n");
    prompt.append_template("<｜DSML｜parameter name=\"");
    prompt.append_untrusted(arguments.keys[i]);
    prompt.append_template(is_string ? "\" string=\"true\">" : "\" string=\"false\">");
    prompt.append_untrusted(is_string ? value.text : python_json(value));
    prompt.append_template("</｜DSML｜parameter>");
  }
  return {};
}

Status Writer::write_calls(const Turn& turn, Prompt& prompt) {
  const auto& calls = turn.message->tool_calls;
  if (calls.empty()) return {};
  prompt.append_template("\n\n<｜DSML｜tool_calls>\n");
  for (size_t i = 0; i < calls.size(); ++i) {
    prompt.append_template("<｜DSML｜invoke name=\"");
    prompt.append_untrusted(calls[i].name);
    prompt.append_template("\">\n");
    SLUICE_TRY(write_parameters(calls[i], fmt::format("messages[{}].tool_calls[{}]", turn.message_index, i),
                                prompt));
    prompt.append_template("\n</｜DSML｜invoke>\n");
  }
  prompt.append_template("</｜DSML｜tool_calls>");
  return {};
}

Status Writer::write_assistant(size_t index, Prompt& prompt) const {
  const Turn& turn = turns_[index];
  const bool answers_task = index > 0 && turns_[index - 1].task.has_value();
  const bool keeps_reasoning = !drop_thinking_ || static_cast<ptrdiff_t>(index) > last_question_;
  if (thinking_ && !answers_task && keeps_reasoning) {
    prompt.append_untrusted(turn.message->reasoning_content);
    prompt.append_template(kThinkEnd);
  }
  prompt.append_untrusted(turn.message->content);
  SLUICE_TRY(write_calls(turn, prompt));
  if (!turn.message->without_eos) prompt.append_template(kEos);
  return {};
}

// What opens the model's part, when the model's part (or nothing) comes next.
void Writer::write_transition(size_t index, Prompt& prompt) const {
  if (index + 1 < turns_.size()) {
    const ChatRole next = turns_[index + 1].role;
    if (next != ChatRole::kAssistant && next != ChatRole::kLatestReminder) return;
  }
  const Turn& turn = turns_[index];
  if (turn.task) {
    if (*turn.task == ChatTask::kAction) {
      prompt.append_template(kAssistantTurn);
      prompt.append_template(thinking_ ? kThinkStart : kThinkEnd);
    }
    prompt.append_template(task_token(*turn.task));
    return;
  }
  if (!is_question(turn)) return;
  const bool reasons = thinking_ && (!drop_thinking_ || static_cast<ptrdiff_t>(index) >= last_question_);
  prompt.append_template(kAssistantTurn);
  prompt.append_template(reasons ? kThinkStart : kThinkEnd);
}

}  // namespace

Result<Prompt> encode_chat(std::span<const ChatMessage> messages, const ChatOptions& options) {
  std::vector<Turn> turns = merge_turns(messages);
  sort_all_results(turns);
  const bool thinking = options.thinking_mode == ThinkingMode::kThinking;
  const bool has_tools = std::ranges::any_of(
      turns, [](const Turn& turn) { return turn.role != ChatRole::kUser && !turn.message->tools.empty(); });
  const bool drop_thinking = options.drop_thinking && !has_tools;
  if (thinking && drop_thinking) drop_old_developer_turns(turns);

  Prompt prompt;
  if (options.add_bos) prompt.append_template(kBos);
  if (thinking && options.reasoning_effort == ReasoningEffort::kMax && !turns.empty()) {
    prompt.append_template(kMaxEffort);
  }
  const Writer writer(turns, options.thinking_mode, drop_thinking);
  for (size_t i = 0; i < turns.size(); ++i) SLUICE_TRY(writer.write(i, prompt));
  return prompt;
}

}  // namespace sluice
