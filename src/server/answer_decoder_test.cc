#include "server/answer_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/tokenizer.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using Kind = AnswerPart::Kind;

class AnswerDecoderTest : public ::testing::Test {
 protected:
  AnswerDecoderTest()
      : tokenizer_(Tokenizer::load(SLUICE_SOURCE_DIR "/models/tiny-v4/tokenizer.json").value()) {}

  // The parts of a text that the model writes, neighbours joined.
  std::vector<AnswerPart> parts_of(const std::string& text, const AnswerRequest& request) {
    AnswerDecoder decoder(tokenizer_, request);
    std::vector<AnswerPart> all;
    const auto take = [&](const std::vector<AnswerPart>& parts) {
      for (const AnswerPart& part : parts) {
        if (!all.empty() && all.back().kind == part.kind && part.kind != Kind::kToolName) {
          all.back().text += part.text;
        } else {
          all.push_back(part);
        }
      }
    };
    for (const int32_t id : tokenizer_.encode(text)) {
      if (!decoder.stopped_by()) take(decoder.push(id));
    }
    take(decoder.finish());
    stopped_by_ = decoder.stopped_by();
    called_tools_ = decoder.called_tools();
    reasoning_tokens_ = decoder.reasoning_tokens();
    return all;
  }

  Tokenizer tokenizer_;
  std::optional<std::string> stopped_by_;
  bool called_tools_ = false;
  uint64_t reasoning_tokens_ = 0;
};

const std::string kCall =
    "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
    "<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n"
    "</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

TEST_F(AnswerDecoderTest, TellsTheKindsApart) {
  const auto parts =
      parts_of("I look.</think>Wait." + kCall, {.turn = ThinkingMode::kThinking, .may_call = true});
  EXPECT_THAT(parts, ElementsAre(AnswerPart{Kind::kReasoning, "I look."}, AnswerPart{Kind::kContent, "Wait."},
                                 AnswerPart{Kind::kToolName, "get_weather"},
                                 AnswerPart{Kind::kToolArguments, "{\"city\": \"Paris\"}"}));
  EXPECT_TRUE(called_tools_);
  EXPECT_EQ(reasoning_tokens_, tokenizer_.encode("I look.</think>").size());
}

TEST_F(AnswerDecoderTest, WithoutToolsACallIsText) {
  EXPECT_THAT(parts_of("Wait." + kCall, {.turn = ThinkingMode::kChat}),
              ElementsAre(AnswerPart{Kind::kContent, "Wait." + kCall}));
  EXPECT_FALSE(called_tools_);
}

TEST_F(AnswerDecoderTest, ACallThatThePromptBeganIsWhole) {
  Prompt start;
  append_tool_call_start("get_weather", start);
  const std::string rest = kCall.substr(start.text.size());
  EXPECT_EQ(start.text + rest, kCall);
  EXPECT_THAT(parts_of(rest, {.turn = ThinkingMode::kChat, .may_call = true, .answer_start = start.text}),
              ElementsAre(AnswerPart{Kind::kToolName, "get_weather"},
                          AnswerPart{Kind::kToolArguments, "{\"city\": \"Paris\"}"}));
}

TEST_F(AnswerDecoderTest, StopTextsAreFoundWhereverTokensCutThem) {
  const std::string text = "One two three four";
  for (size_t begin = 1; begin < text.size(); ++begin) {
    for (size_t size = 1; begin + size <= text.size(); ++size) {
      const std::string stop = text.substr(begin, size);
      const std::string before = text.substr(0, text.find(stop));
      EXPECT_EQ(parts_of(text, {.turn = ThinkingMode::kChat, .stop = {"never", stop}})[0].text, before)
          << stop;
      EXPECT_EQ(stopped_by_, stop);
    }
  }
  EXPECT_THAT(parts_of(text, {.stop = {"four!", "fours"}}), ElementsAre(AnswerPart{Kind::kContent, text}));
  EXPECT_EQ(stopped_by_, std::nullopt);
}

TEST_F(AnswerDecoderTest, TheEarliestStopTextCounts) {
  parts_of("One two", {.stop = {"two", "o"}});
  EXPECT_EQ(stopped_by_, "two");  // both begin at different places: "two" first
  EXPECT_THAT(parts_of("One two", {.stop = {"wo", "e"}}), ElementsAre(AnswerPart{Kind::kContent, "On"}));
}

TEST_F(AnswerDecoderTest, ThoughtsAreNotStopped) {
  EXPECT_THAT(parts_of("a stop</think>b stop c", {.turn = ThinkingMode::kThinking, .stop = {"stop"}}),
              ElementsAre(AnswerPart{Kind::kReasoning, "a stop"}, AnswerPart{Kind::kContent, "b "}));
}

TEST_F(AnswerDecoderTest, PlainTextHidesSpecialTokens) {
  EXPECT_THAT(parts_of("a<｜User｜>b", {}), ElementsAre(AnswerPart{Kind::kContent, "ab"}));
}

}  // namespace
}  // namespace sluice
