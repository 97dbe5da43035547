#include "cli/chat_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using Kind = ChatLine::Kind;

TEST(ChatLine, KnowsItsCommands) {
  EXPECT_EQ(parse_chat_line("/help").kind, Kind::kHelp);
  EXPECT_EQ(parse_chat_line("/clear ").kind, Kind::kClear);
  EXPECT_EQ(parse_chat_line("/stats").kind, Kind::kStats);
  EXPECT_EQ(parse_chat_line("/quit").kind, Kind::kQuit);
  EXPECT_EQ(parse_chat_line("/exit").kind, Kind::kQuit);
  EXPECT_EQ(parse_chat_line("/think on").kind, Kind::kThinkOn);
  EXPECT_EQ(parse_chat_line("/think  off").kind, Kind::kThinkOff);
}

TEST(ChatLine, TakesTheRestAsTheSystemMessage) {
  const ChatLine line = parse_chat_line("/system  You are a fox. ");
  EXPECT_EQ(line.kind, Kind::kSystem);
  EXPECT_EQ(line.text, "You are a fox.");
  EXPECT_EQ(parse_chat_line("/system").text, "");
}

TEST(ChatLine, TakesTheRestAsAFilesName) {
  EXPECT_EQ(parse_chat_line("/save my chat.json ").kind, Kind::kSave);
  EXPECT_EQ(parse_chat_line("/save my chat.json ").text, "my chat.json");
  EXPECT_EQ(parse_chat_line("/load ~/a").kind, Kind::kLoad);
  EXPECT_EQ(parse_chat_line("/load ~/a").text, "~/a");
  EXPECT_EQ(parse_chat_line("/save").kind, Kind::kUnknown);
  EXPECT_THAT(parse_chat_line("/load ").text, ::testing::HasSubstr("/load chat.json"));
}

TEST(ChatLine, SendsNoMistypedCommandToTheModel) {
  EXPECT_EQ(parse_chat_line("/hlep").kind, Kind::kUnknown);
  EXPECT_THAT(parse_chat_line("/hlep").text, ::testing::HasSubstr("/hlep"));
  EXPECT_EQ(parse_chat_line("/think").kind, Kind::kUnknown);
  EXPECT_EQ(parse_chat_line("/think maybe").kind, Kind::kUnknown);
  EXPECT_EQ(parse_chat_line("/quit now").kind, Kind::kUnknown);
  EXPECT_EQ(parse_chat_line("/").kind, Kind::kUnknown);
}

TEST(ChatLine, TakesEverythingElseAsAMessage) {
  EXPECT_EQ(parse_chat_line("Hello. ").kind, Kind::kMessage);
  EXPECT_EQ(parse_chat_line("Hello. ").text, "Hello.");
  EXPECT_EQ(parse_chat_line(" /etc/hosts is a file").text, "/etc/hosts is a file");
  EXPECT_EQ(parse_chat_line("two\nlines").text, "two\nlines");
  EXPECT_EQ(parse_chat_line(" \t").kind, Kind::kNothing);
  EXPECT_EQ(parse_chat_line("").kind, Kind::kNothing);
}

}  // namespace
}  // namespace sluice
