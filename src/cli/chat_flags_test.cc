#include "cli/chat_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ParseTools, TakesAnArrayOrAnObjectWithTools) {
  const std::string array = R"([{"type": "function", "function": {"name":"f","parameters":{}}}])";
  const char* const function = R"({"name": "f", "parameters": {}})";
  EXPECT_THAT(parse_tools(array, "tools.json").value(), ElementsAre(function));
  EXPECT_THAT(parse_tools(R"({"tools": )" + array + "}", "tools.json").value(), ElementsAre(function));
}

TEST(ParseTools, NamesFileAndFieldOfAMistake) {
  for (const char* json : {"{}", "3", "[3]", R"([{"function": {}}, {"function": 3}])", "nonsense"}) {
    const auto tools = parse_tools(json, "tools.json");
    ASSERT_FALSE(tools) << json;
    EXPECT_EQ(tools.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(tools.error().message, HasSubstr("tools.json")) << json;
  }
  EXPECT_THAT(parse_tools(R"([{"function": {}}, {"function": 3}])", "t").error().message,
              HasSubstr("tools[1].function: a number"));
}

TEST(SystemMessage, IsThereOnlyWhenTheFlagsAskForOne) {
  EXPECT_FALSE(system_message({}).value());
  ChatFlags flags;
  flags.system = "You are a fox.";
  EXPECT_EQ(system_message(flags).value()->content, "You are a fox.");
  EXPECT_EQ(system_message(flags).value()->role, ChatRole::kSystem);
}

TEST(ChatOptionsOfFlags, FollowThinkAndEffort) {
  ChatFlags flags;
  EXPECT_EQ(chat_options(flags).thinking_mode, ThinkingMode::kChat);
  flags.think = true;
  flags.effort = "max";
  EXPECT_EQ(chat_options(flags).thinking_mode, ThinkingMode::kThinking);
  EXPECT_EQ(chat_options(flags).reasoning_effort, ReasoningEffort::kMax);
}

}  // namespace
}  // namespace sluice
