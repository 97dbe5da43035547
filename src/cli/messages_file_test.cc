#include "cli/messages_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

TEST(MessagesFile, TakesAnArrayOrAnObjectWithMessages) {
  const Conversation expected = {{.content = "Hi \u00e9"}};
  EXPECT_EQ(parse_messages_file(R"([{"role": "user", "content": "Hi é"}])", "chat.json").value(), expected);
  EXPECT_EQ(
      parse_messages_file(R"({"model": "x", "messages": [{"role": "user", "content": "Hi é"}]})", "chat.json")
          .value(),
      expected);
}

TEST(MessagesFile, NamesFileAndFieldOfAMistake) {
  EXPECT_THAT(parse_messages_file("{}", "chat.json").error().message, HasSubstr("chat.json"));
  EXPECT_THAT(parse_messages_file("[", "chat.json").error().message, HasSubstr("chat.json"));
  EXPECT_THAT(parse_messages_file(R"({"messages": [{"role": "fox"}]})", "chat.json").error().message,
              HasSubstr("chat.json: messages[0].role"));
}

TEST(MessagesFile, DropsNoToolsSilently) {
  const auto messages = parse_messages_file(R"({"messages": [], "tools": []})", "chat.json");
  ASSERT_FALSE(messages);
  EXPECT_THAT(messages.error().message, HasSubstr("system message"));
}

}  // namespace
}  // namespace sluice
