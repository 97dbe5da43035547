#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/chat.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The message of the error, or an empty string.
std::string error_of(std::string_view json) {
  const auto parsed = parse_messages(json, "chat.json");
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  return parsed.error().message;
}

ChatMessage message_of(const std::string& json) {
  const auto parsed = parse_messages("[" + json + "]", "chat.json");
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed && parsed->size() == 1 ? parsed->front() : ChatMessage{};
}

TEST(ParseMessages, ReadsEveryField) {
  const ChatMessage message = message_of(R"({
    "role": "assistant", "content": "text", "reasoning_content": "why", "wo_eos": true, "task": "read_url",
    "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                   {"function": {"id": "y", "name": "g", "arguments": "1"}}],
    "tools": [{"function": {"b": 1.0, "a": [1,2]}}], "response_format": {"t":"o"}, "other": 5})");
  EXPECT_EQ(message.role, ChatRole::kAssistant);
  EXPECT_EQ(message.content, "text");
  EXPECT_EQ(message.reasoning_content, "why");
  EXPECT_TRUE(message.without_eos);
  EXPECT_EQ(message.task, ChatTask::kReadUrl);
  EXPECT_THAT(message.tool_calls, ElementsAre(ToolCall{"x", "f", "{}"}, ToolCall{"y", "g", "1"}));
  EXPECT_THAT(message.tools, ElementsAre("{\"b\": 1.0, \"a\": [1, 2]}"));
  EXPECT_EQ(message.response_format, "{\"t\": \"o\"}");
}

TEST(ParseMessages, ReadsEveryRole) {
  for (const ChatRole role : {ChatRole::kSystem, ChatRole::kDeveloper, ChatRole::kUser, ChatRole::kAssistant,
                              ChatRole::kTool, ChatRole::kLatestReminder}) {
    const ChatMessage message =
        message_of(std::string("{\"role\": \"") + chat_role_name(role) + "\", \"content\": \"c\"}");
    EXPECT_EQ(message.role, role);
    EXPECT_EQ(message.content, "c");
  }
}

TEST(ParseMessages, TakesNullForAbsentWhereTheFormatDoes) {
  const ChatMessage message = message_of(R"({"role": "assistant", "content": null, "reasoning_content": null,
    "tool_calls": null, "tools": null, "response_format": null, "task": null, "wo_eos": null})");
  EXPECT_EQ(message, (ChatMessage{.role = ChatRole::kAssistant}));
  EXPECT_EQ(message_of("{\"role\": \"user\"}"), ChatMessage{});
}

TEST(ParseMessages, JoinsContentParts) {
  EXPECT_EQ(
      message_of(R"({"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "one"},
    {"type": "image_url", "image_url": {}}, {"type": "text"}]})"),
      (ChatMessage{
          .role = ChatRole::kTool, .content = "one\n\n[Unsupported image_url]\n\n", .tool_call_id = "a"}));
  EXPECT_EQ(message_of(R"({"role": "user", "content": []})").content, "");
}

TEST(ParseMessages, LeavesOutAnEmptyResponseFormat) {
  for (const char* format : {"{}", "\"\"", "false", "0"}) {
    EXPECT_EQ(message_of(std::string("{\"role\": \"system\", \"response_format\": ") + format + "}")
                  .response_format,
              "");
  }
}

TEST(ParseMessages, IgnoresFieldsThatTheRoleLoses) {
  EXPECT_EQ(message_of(R"({"role": "user", "content": "q", "tools": 5, "wo_eos": 3, "tool_calls": "x"})"),
            ChatMessage{.content = "q"});
  EXPECT_EQ(message_of(R"({"role": "tool", "content": "q", "task": "none", "tools": 5})"),
            (ChatMessage{.role = ChatRole::kTool, .content = "q"}));
}

TEST(ParseMessages, NamesFileAndFieldOfAWrongType) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({})", "chat.json: messages: an object was found, an array was expected"},
      {R"([5])", "messages[0]: a number was found, an object was expected"},
      {R"([{}])", "messages[0].role: nothing was found, a string was expected"},
      {R"([{"role": 1}])", "messages[0].role: a number was found, a string was expected"},
      {R"([{"role": "user"}, {"role": "direct_search_results"}])",
       "messages[1].role: \"direct_search_results\" was found, one of system, developer, user"},
      {R"([{"role": "user", "content": 5}])",
       "messages[0].content: a number was found, a string was expected"},
      {R"([{"role": "user", "content": null}])",
       "messages[0].content: null was found, a string was expected"},
      {R"([{"role": "tool", "content": null}])",
       "messages[0].content: null was found, a string was expected"},
      {R"([{"role": "latest_reminder"}])", "messages[0].content: nothing was found, a string was expected"},
      {R"([{"role": "system", "content": {}}])",
       "messages[0].content: an object was found, a string was expected"},
      {R"([{"role": "user", "content": [5]}])", "messages[0].content[0]: a number was found, an object"},
      {R"([{"role": "user", "content": [{}]}])", "messages[0].content[0].type: nothing was found"},
      {R"([{"role": "user", "content": [{"type": "text", "text": 5}]}])",
       "content[0].text: a number was found"},
      {R"([{"role": "user", "task": "sing"}])", "messages[0].task: \"sing\" was found, one of action, query"},
      {R"([{"role": "user", "task": true}])", "messages[0].task: a boolean was found, a string was expected"},
      {R"([{"role": "user", "task": ""}])", "messages[0].task: \"\" was found"},
      {R"([{"role": "assistant", "wo_eos": 1}])",
       "messages[0].wo_eos: a number was found, a boolean was expected"},
      {R"([{"role": "assistant", "reasoning_content": []}])",
       "messages[0].reasoning_content: an array was found"},
      {R"([{"role": "tool", "content": "", "tool_call_id": 5}])",
       "messages[0].tool_call_id: a number was found"},
      {R"([{"role": "assistant", "tool_calls": {}}])",
       "messages[0].tool_calls: an object was found, an array"},
      {R"([{"role": "assistant", "tool_calls": [{}]}])",
       "messages[0].tool_calls[0].function: nothing was found"},
      {R"([{"role": "assistant", "tool_calls": [{"id": 1, "function": {}}]}])", "tool_calls[0].id: a number"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}])",
       "messages[0].tool_calls[0].function.arguments: nothing was found, a string was expected"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}])",
       "messages[0].tool_calls[0].function.arguments: an object was found, a string was expected"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": ""}}]}])",
       "function.name: nothing"},
      {R"([{"role": "system", "tools": "x"}])",
       "messages[0].tools: a string was found, an array was expected"},
      {R"([{"role": "system", "tools": [{"name": "f"}]}])",
       "messages[0].tools[0].function: nothing was found"},
      {R"([{"role": "system", "tools": [5]}])", "messages[0].tools[0].function: nothing was found"},
      {R"([{"role": )", "chat.json: parse error at line 1"},
  };
  for (const auto& [json, message] : kCases) EXPECT_THAT(error_of(json), HasSubstr(message)) << json;
}

TEST(ChatOptions, AreReadByName) {
  EXPECT_EQ(*parse_thinking_mode("chat"), ThinkingMode::kChat);
  EXPECT_EQ(*parse_thinking_mode("thinking"), ThinkingMode::kThinking);
  EXPECT_EQ(parse_thinking_mode("deep").error().message,
            "thinking mode: \"deep\" was found, one of chat, thinking was expected");
  EXPECT_EQ(*parse_reasoning_effort("default"), ReasoningEffort::kDefault);
  EXPECT_EQ(*parse_reasoning_effort("high"), ReasoningEffort::kHigh);
  EXPECT_EQ(*parse_reasoning_effort("max"), ReasoningEffort::kMax);
  EXPECT_FALSE(parse_reasoning_effort("low"));
}

}  // namespace
}  // namespace sluice
