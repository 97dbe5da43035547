#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "text/chat.h"

namespace sluice {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kEnd = "<｜end▁of▁sentence｜>";

std::string parse_error(const std::string& text, ThinkingMode mode = ThinkingMode::kChat) {
  const auto message = parse_completion(text, mode);
  if (message) return "";
  EXPECT_EQ(message.error().code, ErrorCode::kCorrupt);
  return message.error().message;
}

json to_json(const ChatMessage& message) {
  json calls = json::array();
  for (const ToolCall& call : message.tool_calls) {
    calls.push_back(
        {{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return {{"role", chat_role_name(message.role)},
          {"content", message.content},
          {"reasoning_content", message.reasoning_content},
          {"tool_calls", calls}};
}

std::string calls(const std::string& inside) {
  return "ok\n\n<｜DSML｜tool_calls>\n" + inside + "</｜DSML｜tool_calls>" + std::string(kEnd);
}

std::string call(const std::string& parameters) {
  return calls("<｜DSML｜invoke name=\"f\">\n" + parameters + "</｜DSML｜invoke>\n");
}

TEST(ParseCompletion, GivesTheReferencesMessagesAndErrors) {
  std::ifstream file(SLUICE_SOURCE_DIR "/tests/data/text/chat.json");
  const json cases = json::parse(file)["parse"];
  ASSERT_EQ(cases.size(), 7u);
  for (const auto& one : cases) {
    const auto mode = parse_thinking_mode(one["thinking_mode"].get<std::string>()).value();
    const auto message = parse_completion(one["text"].get<std::string>(), mode);
    if (one.contains("message")) {
      ASSERT_TRUE(message) << one["name"];
      EXPECT_EQ(to_json(*message), one["message"]) << one["name"];
    } else {
      ASSERT_FALSE(message) << one["name"];
      EXPECT_THAT(one["error"].get<std::string>(), ::testing::EndsWith(": " + message.error().message));
    }
  }
}

TEST(ParseCompletion, IsTheInverseOfEncoding) {
  const ChatMessage message{
      .role = ChatRole::kAssistant,
      .content = "two calls",
      .reasoning_content = "because",
      .tool_calls = {{"", "f", "{\"s\": \"a \\\"b\\\"\\n\", \"n\": [1, {\"k\": null}], \"é\": 1.0}"},
                     {"", "g", "{}"}}};
  // An empty call is written with an empty line that the strict parser does not take: leave it out.
  ChatMessage expressible = message;
  expressible.tool_calls.pop_back();
  const auto prompt =
      encode_chat(std::vector{expressible},
                  {.thinking_mode = ThinkingMode::kThinking, .drop_thinking = false, .add_bos = false});
  ASSERT_TRUE(prompt);
  const auto parsed = parse_completion(prompt->text, ThinkingMode::kThinking);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, expressible);
}

TEST(ParseCompletion, ReadsCallsAndParameters) {
  const auto message =
      parse_completion(calls("<｜DSML｜invoke \u3000\n name=\"a\"b\">\n"
                             "<｜DSML｜parameter name=\"x\" string=\"true\">1 < 2\n</｜DSML｜parameter>\n"
                             "<｜DSML｜parameter name=\"y\" string=\"false\">[1]</｜DSML｜parameter>\n"
                             "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>\n"),
                       ThinkingMode::kChat);
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_EQ(message->content, "ok");
  EXPECT_THAT(message->tool_calls, ElementsAre(ToolCall{"", "a\"b", "{\"x\": \"1 < 2\\n\", \"y\": [1]}"},
                                               ToolCall{"", "g", "{}"}));
}

// The released parser takes a value that is not marked as a string as it is.
TEST(ParseCompletion, LeavesValuesUnchecked) {
  const auto message =
      parse_completion(call("<｜DSML｜parameter name=\"x\" string=\"false\">not json</｜DSML｜parameter>\n"),
                       ThinkingMode::kChat);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->tool_calls[0].arguments, "{\"x\": not json}");
}

TEST(ParseCompletion, NamesWhatIsMalformed) {
  EXPECT_EQ(parse_error(calls("x")), "Tool call format error: expected '>\\n' but got '>\nx'");
  EXPECT_EQ(parse_error(calls("<｜DSML｜invoke name=f>\n</｜DSML｜invoke>\n")),
            "Tool name format error: ' name=f>\n'");
  EXPECT_EQ(parse_error(call("<｜DSML｜parameter name=\"x\">1</｜DSML｜parameter>\n")),
            "Parameter format error: ' name=\"x\">1<'");
  EXPECT_EQ(parse_error(call("<｜DSML｜parameter name=\"x\" string=\"maybe\">1</｜DSML｜parameter>\n")),
            "Parameter format error: ' name=\"x\" string=\"maybe\">1<'");
  const std::string parameter = "<｜DSML｜parameter name=\"x\" string=\"true\">1</｜DSML｜parameter>";
  EXPECT_EQ(parse_error(call(parameter + "\n" + parameter + "\n")), "Duplicate parameter name: 'x'");
  EXPECT_EQ(parse_error(call(parameter)), "Parameter format error: expected '>\\n' but got '>'");
  EXPECT_EQ(parse_error("ok\n\n<｜DSML｜tool_calls>\n"), "Missing special token in tool calls");
  EXPECT_EQ(parse_error("ok\n\n<｜DSML｜tool_calls>\n</｜DSML｜tool_calls> " + std::string(kEnd)),
            "Unexpected content after tool calls");
  EXPECT_EQ(parse_error(std::string(kEnd) + "x"), "Unexpected content at end");
  EXPECT_EQ(parse_error("a<think>b" + std::string(kEnd)), "Unexpected special token '<think>' in content");
  EXPECT_EQ(parse_error("a</think>b" + std::string(kEnd)), "Unexpected special token '</think>' in content");
  EXPECT_EQ(parse_error("<｜DSML｜tool_calls>" + std::string(kEnd)),
            "Unexpected special token '｜DSML｜' in content");
  EXPECT_EQ(parse_error("<｜begin▁of▁sentence｜></think>x" + std::string(kEnd), ThinkingMode::kThinking),
            "Unexpected special token '<｜begin▁of▁sentence｜>' in content");
  EXPECT_EQ(parse_error("a\n\n<｜DSML｜tool_calls></think>x" + std::string(kEnd), ThinkingMode::kThinking),
            "Invalid thinking format: missing </think>");
}

TEST(ParseCompletion, NeverReadsPastACut) {
  const std::string text = call(
      "<｜DSML｜parameter name=\"x\" string=\"true\">1</｜DSML｜parameter>\n"
      "<｜DSML｜parameter name=\"y\" string=\"false\">2</｜DSML｜parameter>\n");
  const size_t whole_without_eos = text.size() - kEnd.size();
  for (size_t length = 0; length < text.size(); ++length) {
    const auto message = parse_completion(text.substr(0, length), ThinkingMode::kChat);
    if (message) {
      // Cuts that the released parser takes for whole: behind the block's start, a call, or its end.
      const std::string cut = text.substr(0, length);
      EXPECT_TRUE(length == whole_without_eos || cut.ends_with("tool_calls") || cut.ends_with("invoke") ||
                  cut.ends_with(">\n"))
          << cut;
    }
  }
}

}  // namespace
}  // namespace sluice
