#include "text/tool_call_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/chat.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using PartKind = ToolCallPart::Kind;

const std::string kTwoCalls =
    "\n\n<｜DSML｜tool_calls>\n"
    "<｜DSML｜invoke name=\"get_weather\">\n"
    "<｜DSML｜parameter name=\"city\" string=\"true\">São \"Paulo\"</｜DSML｜parameter>\n"
    "<｜DSML｜parameter name=\"days\" string=\"false\">[1, 2]</｜DSML｜parameter>\n"
    "</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"now\">\n\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>";

// Neighbours of one kind joined, but for names.
std::vector<ToolCallPart> joined(const std::vector<ToolCallPart>& parts) {
  std::vector<ToolCallPart> result;
  for (const ToolCallPart& part : parts) {
    if (!result.empty() && result.back().kind == part.kind && part.kind != PartKind::kName) {
      result.back().text += part.text;
    } else {
      result.push_back(part);
    }
  }
  return result;
}

// Pieces of at least `step` bytes, cut between characters.
std::vector<ToolCallPart> streamed(const std::string& text, size_t step) {
  ToolCallStream stream;
  std::vector<ToolCallPart> parts;
  const auto take = [&](std::vector<ToolCallPart> more) {
    parts.insert(parts.end(), more.begin(), more.end());
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.size(), begin + step);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
    take(stream.push(text.substr(begin, end - begin)));
    begin = end;
  }
  take(stream.finish());
  return joined(parts);
}

TEST(ToolCallStream, GivesTheCallsOfTheStrictParserHoweverTheTextIsCut) {
  const auto message = parse_completion(kTwoCalls + "<｜end▁of▁sentence｜>", ThinkingMode::kChat);
  ASSERT_TRUE(message.has_value()) << message.error().message;
  ASSERT_EQ(message->tool_calls.size(), 2U);
  for (size_t step = 1; step < kTwoCalls.size(); ++step) {
    EXPECT_THAT(streamed(kTwoCalls, step),
                ElementsAre(ToolCallPart{PartKind::kName, message->tool_calls[0].name},
                            ToolCallPart{PartKind::kArguments, message->tool_calls[0].arguments},
                            ToolCallPart{PartKind::kName, "now"}, ToolCallPart{PartKind::kArguments, "{}"}))
        << step;
  }
}

TEST(ToolCallStream, ShowsAValueWhileItIsWritten) {
  ToolCallStream stream;
  const size_t in_value = kTwoCalls.find("Paulo");
  EXPECT_THAT(joined(stream.push(kTwoCalls.substr(0, in_value))),
              ElementsAre(ToolCallPart{PartKind::kName, "get_weather"},
                          ToolCallPart{PartKind::kArguments, "{\"city\": \"São \\\""}));
}

TEST(ToolCallStream, ACallThatIsCutOffKeepsWhatCame) {
  EXPECT_THAT(streamed(kTwoCalls.substr(0, kTwoCalls.find("Paulo")) + "</", 3),
              ElementsAre(ToolCallPart{PartKind::kName, "get_weather"},
                          ToolCallPart{PartKind::kArguments, "{\"city\": \"São \\\"</"}));
}

TEST(ToolCallStream, WhatIsNoCallIsText) {
  for (const std::string text :
       {"\n\n<｜DSML｜tool_calls", "\n\n<｜DSML｜tool_calls are what I write", "\n\n<｜DSML｜tool_calls>\nno",
        "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke them=\"all\">\n",
        "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"x"}) {
    EXPECT_THAT(streamed(text, 1), ElementsAre(ToolCallPart{PartKind::kText, text}));
    EXPECT_THAT(streamed(text, 100), ElementsAre(ToolCallPart{PartKind::kText, text}));
  }
}

TEST(ToolCallStream, WhatIsMalformedSpoilsNothingBeforeIt) {
  EXPECT_THAT(
      streamed(kTwoCalls + " and more", 4),
      ElementsAre(ToolCallPart{PartKind::kName, "get_weather"},
                  ToolCallPart{PartKind::kArguments, "{\"city\": \"São \\\"Paulo\\\"\", \"days\": [1, 2]}"},
                  ToolCallPart{PartKind::kName, "now"}, ToolCallPart{PartKind::kArguments, "{}"},
                  ToolCallPart{PartKind::kText, " and more"}));
}

}  // namespace
}  // namespace sluice
