#include "cli/chat_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cli/messages_file.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

SavedChat a_chat() {
  SavedChat chat{.thinking_mode = ThinkingMode::kThinking, .reasoning_effort = ReasoningEffort::kMax};
  chat.system = ChatMessage{.role = ChatRole::kSystem,
                            .content = "Be \"kind\".\n",
                            .tools = {R"({"name": "get_weather", "parameters": {"x": 1e+16, "y": 1.0}})"}};
  chat.turns = {{.role = ChatRole::kUser, .content = "Wie ist das Wetter? \xF0\x9F\xA6\x8A\t<｜User｜>"},
                {.role = ChatRole::kAssistant,
                 .content = "It is",
                 .reasoning_content = "hm",
                 .tool_calls = {{"id-1", "get_weather", "{\"city\": \"Paris\"}"}}}};
  return chat;
}

std::string error_of(const std::string& text) {
  const auto chat = parse_chat_file(text, "chat.json");
  if (chat) return "none";
  EXPECT_EQ(chat.error().code, ErrorCode::kInvalidArgument);
  return chat.error().message;
}

std::string file_with(const std::string& messages, const std::string& version = "1") {
  return R"({"format": "sluice-chat", "version": )" + version +
         R"(, "thinking": false, "effort": "default", "messages": )" + messages + "}";
}

class ChatFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / "sluice-chat-file-XXXXXX";
    std::string name = folder_.string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(ChatFile, GivesBackWhatItWasGiven) {
  for (const SavedChat& chat : {SavedChat{}, a_chat()}) {
    EXPECT_EQ(parse_chat_file(chat_file_text(chat), "f").value(), chat);
    ASSERT_TRUE(save_chat(folder_ / "chat.json", chat));  // the second in the place of the first
    EXPECT_EQ(load_chat(folder_ / "chat.json").value(), chat);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(ChatFile, IsAFileOfMessagesToo) {
  const auto messages = parse_messages_file(chat_file_text(a_chat()), "f").value();
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0], *a_chat().system);
}

TEST_F(ChatFile, HoldsOnlyTextThatCanBeReadAgain) {
  SavedChat chat;
  chat.turns = {{.role = ChatRole::kUser, .content = "caf\xE9!\xF0\x9F"},
                {.role = ChatRole::kAssistant, .content = "ok"}};
  EXPECT_EQ(parse_chat_file(chat_file_text(chat), "f").value().turns[0].content, "caf\uFFFD!\uFFFD");
}

TEST_F(ChatFile, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(error_of(""), StartsWith("chat.json is no saved chat: "));
  EXPECT_THAT(error_of("[]"), HasSubstr("format: nothing was found"));
  EXPECT_THAT(error_of(R"({"format": "other"})"), HasSubstr("format: \"other\" was found"));
  EXPECT_THAT(error_of(R"({"format": "sluice-chat"})"),
              HasSubstr("version: nothing was found, 1 was expected"));
  EXPECT_THAT(error_of(file_with("[]", "2")), HasSubstr("version: 2 was found"));
  EXPECT_THAT(error_of(file_with("[]", "1.0")), HasSubstr("version: 1.0 was found"));
  EXPECT_THAT(error_of(R"({"format": "sluice-chat", "version": 1, "thinking": 1})"),
              HasSubstr("thinking: a number was found"));
  EXPECT_THAT(error_of(R"({"format": "sluice-chat", "version": 1, "thinking": true, "effort": "vast"})"),
              HasSubstr("effort: "));
  EXPECT_THAT(error_of(file_with("{}")), HasSubstr("messages: an object was found, an array was expected"));
  EXPECT_THAT(error_of(file_with(R"([{"role": "user", "content": 7}])")),
              HasSubstr("messages[0].content: a number"));
  EXPECT_THAT(error_of(file_with(R"([{"role": "user", "content": "a"}])")),
              HasSubstr("messages[0].role: \"user\" was found last"));
  EXPECT_THAT(
      error_of(file_with(R"([{"role": "system", "content": "a"}, {"role": "system", "content": "b"}])")),
      HasSubstr("messages[1].role: \"system\""));
  EXPECT_THAT(error_of(file_with(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "",
              "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}])")),
              HasSubstr("messages[1]"));
  EXPECT_EQ(error_of(file_with("[]")), "none");
}

TEST_F(ChatFile, ReplacesNothingButASavedChat) {
  const auto path = folder_ / "notes.txt";
  std::ofstream(path) << "do not lose this";
  const Status saved = save_chat(path, {});
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kInvalidArgument);
  std::ostringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(kept.str(), "do not lose this");
  EXPECT_FALSE(save_chat(folder_, {}));
  EXPECT_EQ(save_chat(folder_ / "no/such/folder", {}).error().code, ErrorCode::kIo);
}

TEST_F(ChatFile, IsMissingInPlainWords) {
  EXPECT_EQ(load_chat(folder_ / "nothing").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(load_chat(folder_).error().message, HasSubstr("is no file"));
}

TEST_F(ChatFile, IsFoundAtHome) {
  const char* before = std::getenv("HOME");
  const std::string home = before == nullptr ? "" : before;
  setenv("HOME", "/home/fox", 1);
  EXPECT_EQ(path_as_typed("~/a.json"), "/home/fox/a.json");
  EXPECT_EQ(path_as_typed("a~/b"), "a~/b");
  if (before != nullptr) setenv("HOME", home.c_str(), 1);
}

}  // namespace
}  // namespace sluice
