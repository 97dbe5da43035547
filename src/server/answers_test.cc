// Both APIs' answers: the documents and the streams that parts become.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/anthropic_answer.h"
#include "server/openai_answer.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = AnswerPart::Kind;
using nlohmann::json;

const AnswerHead kHead{.id = "id", .model = "m", .created = 1, .prompt_tokens = 7};

AnswerNews news_of(std::vector<AnswerPart> parts) {
  return {.parts = std::move(parts)};
}

// The data of each event; "[DONE]" as a string.
std::vector<json> data_of(const std::string& events) {
  std::vector<json> all;
  for (size_t at = 0; (at = events.find("data: ", at)) != std::string::npos;) {
    at += 6;
    const std::string line = events.substr(at, events.find('\n', at) - at);
    all.push_back(line == "[DONE]" ? json(line) : json::parse(line));
  }
  return all;
}

std::vector<std::string> types_of(const std::string& events) {
  std::vector<std::string> types;
  for (const json& event : data_of(events)) types.push_back(event["type"]);
  return types;
}

class OpenaiAnswer : public ::testing::Test {
 protected:
  OpenaiAnswer() : tokenizer_(Tokenizer::load(SLUICE_SOURCE_DIR "/models/tiny-v4/tokenizer.json").value()) {}
  std::unique_ptr<AnswerWriter> writer(const AnswerRequest& request = {}) {
    return openai_chat_writer(kHead, request, tokenizer_);
  }
  Tokenizer tokenizer_;
};

TEST_F(OpenaiAnswer, FinishReasons) {
  const auto reason = [&](const AnswerEnd& end) {
    return json::parse(writer()->whole({}, end))["choices"][0]["finish_reason"].get<std::string>();
  };
  EXPECT_EQ(reason({.finish = FinishReason::kEndOfText}), "stop");
  EXPECT_EQ(reason({.finish = FinishReason::kEndOfText, .called_tools = true}), "tool_calls");
  EXPECT_EQ(reason({.finish = FinishReason::kMaxTokens, .called_tools = true}), "length");
  EXPECT_EQ(reason({.finish = FinishReason::kContextFull}), "length");
  EXPECT_EQ(reason({.finish = FinishReason::kCancelled, .stopped_by = "x"}), "stop");
}

TEST_F(OpenaiAnswer, TwoCallsHaveTwoIndices) {
  const auto parts = news_of({{Kind::kToolName, "f"},
                              {Kind::kToolArguments, "{"},
                              {Kind::kToolArguments, "}"},
                              {Kind::kToolName, "g"},
                              {Kind::kToolArguments, "{}"}});
  std::vector<int> indices;
  for (const json& chunk : data_of(writer()->more(parts))) {
    indices.push_back(chunk["choices"][0]["delta"]["tool_calls"][0]["index"]);
  }
  EXPECT_THAT(indices, ElementsAre(0, 0, 0, 1, 1));
  const json whole = json::parse(writer()->whole(parts, {}));
  const json& calls = whole["choices"][0]["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
  EXPECT_EQ(calls[0]["function"], json::parse(R"({"name": "f", "arguments": "{}"})"));
  EXPECT_TRUE(whole["choices"][0]["message"]["content"].is_null());
}

TEST_F(OpenaiAnswer, AFailureInAStreamIsAnError) {
  const auto events = data_of(writer()->failed({ErrorCode::kIo, "layer 3, expert 4: gone"}));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["error"]["message"], "layer 3, expert 4: gone");
  EXPECT_EQ(events[0]["error"]["type"], "server_error");
}

TEST_F(OpenaiAnswer, ErrorsNameTheirField) {
  const json error = json::parse(openai_error(400, "messages[2].content: 7 was found", "c"))["error"];
  EXPECT_EQ(error["param"], "messages[2].content");
  EXPECT_EQ(error["code"], "c");
  EXPECT_TRUE(json::parse(openai_error(404, "nothing here", ""))["error"]["param"].is_null());
  EXPECT_THAT(openai_error(400, "\xff", ""), HasSubstr("\uFFFD"));
}

TEST(AnthropicAnswer, ABlockIsOpenedAndClosedForEachKind) {
  const auto writer = anthropic_writer(kHead);
  EXPECT_THAT(types_of(writer->first()), ElementsAre("message_start"));
  EXPECT_THAT(types_of(writer->more(news_of({{Kind::kReasoning, "a"}}))),
              ElementsAre("content_block_start", "content_block_delta"));
  EXPECT_THAT(types_of(writer->more(news_of({{Kind::kReasoning, "b"}}))), ElementsAre("content_block_delta"));
  EXPECT_THAT(
      types_of(writer->more(news_of({{Kind::kContent, "c"}}))),
      ElementsAre("content_block_delta", "content_block_stop", "content_block_start", "content_block_delta"));
  const std::string calls =
      writer->more(news_of({{Kind::kToolName, "f"}, {Kind::kToolArguments, "{}"}, {Kind::kToolName, "g"}}));
  EXPECT_THAT(types_of(calls), ElementsAre("content_block_stop", "content_block_start", "content_block_delta",
                                           "content_block_stop", "content_block_start"));
  EXPECT_EQ(data_of(calls).back()["index"], 3);
  EXPECT_THAT(types_of(writer->last({})), ElementsAre("content_block_stop", "message_delta", "message_stop"));
}

TEST(AnthropicAnswer, AnEmptyAnswerHasNoBlocks) {
  const auto writer = anthropic_writer(kHead);
  EXPECT_THAT(types_of(writer->first() + writer->more({}) + writer->last({})),
              ElementsAre("message_start", "message_delta", "message_stop"));
}

TEST(AnthropicAnswer, InputThatIsNoObjectIsKeptAsText) {
  const auto input = [](const std::string& arguments) {
    const auto news = news_of({{Kind::kToolName, "f"}, {Kind::kToolArguments, arguments}});
    return json::parse(anthropic_writer(kHead)->whole(news, {}))["content"][0]["input"];
  };
  EXPECT_EQ(input(R"({"a": 1})"), json({{"a", 1}}));
  for (const std::string arguments : {"{\"a\": ", "[1]", "7"}) {
    EXPECT_EQ(input(arguments), json({{"arguments", arguments}}));
  }
  EXPECT_TRUE(input(std::string(100000, '[')).is_object());
}

TEST(AnthropicAnswer, StatusesHaveTypes) {
  const auto type = [](int status) {
    return json::parse(anthropic_error(status, "m"))["error"]["type"].get<std::string>();
  };
  EXPECT_EQ(type(400), "invalid_request_error");
  EXPECT_EQ(type(401), "authentication_error");
  EXPECT_EQ(type(429), "rate_limit_error");
  EXPECT_EQ(type(500), "api_error");
  EXPECT_EQ(type(503), "overloaded_error");
}

}  // namespace
}  // namespace sluice
