#include "text/completion_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using Kind = CompletionPart::Kind;
using Parts = std::vector<CompletionPart>;
using ::testing::ElementsAre;

// Joins neighbours of one kind.
void join(const Parts& more, Parts& parts) {
  for (const CompletionPart& part : more) {
    EXPECT_NE(part.text, "");
    if (!parts.empty() && parts.back().kind == part.kind) {
      parts.back().text += part.text;
    } else {
      parts.push_back(part);
    }
  }
}

Parts streamed(std::initializer_list<std::string_view> deltas, ThinkingMode mode) {
  CompletionStream stream(mode);
  Parts parts;
  for (const std::string_view delta : deltas) join(stream.push(delta), parts);
  join(stream.finish(), parts);
  return parts;
}

const std::string kCalls =
    "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

struct Sample {
  ThinkingMode mode;
  std::string text;
  Parts parts;
};

std::vector<Sample> samples() {
  const auto thinking = ThinkingMode::kThinking;
  const auto chat = ThinkingMode::kChat;
  return {
      {thinking, "why</think>so", {{Kind::kReasoning, "why"}, {Kind::kContent, "so"}}},
      {thinking, "</think>so", {{Kind::kContent, "so"}}},
      {thinking, "only <", {{Kind::kReasoning, "only <"}}},
      {thinking, "a<</think>b</think>", {{Kind::kReasoning, "a<"}, {Kind::kContent, "b</think>"}}},
      {thinking, "x" + kCalls, {{Kind::kReasoning, "x" + kCalls}}},
      {thinking, "x</think>" + kCalls, {{Kind::kReasoning, "x"}, {Kind::kToolCall, kCalls}}},
      {chat, "a\n\nb\n", {{Kind::kContent, "a\n\nb\n"}}},
      {chat, "a\n" + kCalls + "z", {{Kind::kContent, "a\n"}, {Kind::kToolCall, kCalls + "z"}}},
      {chat, "a\n\n<｜DSML｜tool", {{Kind::kContent, "a\n\n<｜DSML｜tool"}}},
      {chat, "", {}},
  };
}

TEST(CompletionStream, GivesTheSamePartsWhereverTheTextIsCut) {
  for (const Sample& sample : samples()) {
    const std::string_view text = sample.text;
    for (size_t first = 0; first <= text.size(); ++first) {
      for (size_t second = first; second <= text.size(); ++second) {
        ASSERT_EQ(streamed({text.substr(0, first), text.substr(first, second - first), text.substr(second)},
                           sample.mode),
                  sample.parts)
            << text << " cut at " << first << " and " << second;
      }
    }
  }
}

TEST(CompletionStream, GivesTheSamePartsByteByByte) {
  for (const Sample& sample : samples()) {
    CompletionStream stream(sample.mode);
    Parts parts;
    for (const char byte : sample.text) join(stream.push({&byte, 1}), parts);
    join(stream.finish(), parts);
    EXPECT_EQ(parts, sample.parts) << sample.text;
  }
}

TEST(CompletionStream, HoldsBackNoMoreThanAPossibleMark) {
  CompletionStream stream(ThinkingMode::kThinking);
  EXPECT_THAT(stream.push("abc</thi"), ElementsAre(CompletionPart{Kind::kReasoning, "abc"}));
  EXPECT_THAT(stream.push("s"), ElementsAre(CompletionPart{Kind::kReasoning, "</this"}));
  EXPECT_THAT(stream.push("</think>"), ElementsAre());
  EXPECT_THAT(stream.push("x\n"), ElementsAre(CompletionPart{Kind::kContent, "x"}));
  EXPECT_THAT(stream.push("\n"), ElementsAre());
  EXPECT_THAT(stream.push("\n"), ElementsAre(CompletionPart{Kind::kContent, "\n"}));
  EXPECT_THAT(stream.finish(), ElementsAre(CompletionPart{Kind::kContent, "\n\n"}));
}

}  // namespace
}  // namespace sluice
