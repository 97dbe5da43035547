#include "cli/streamed_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using PartKind = CompletionPart::Kind;

std::string delta(const std::string& members) {
  return R"({"id": "x", "choices": [{"index": 0, "delta": {)" + members + R"(}, "finish_reason": null}]})";
}

std::string error_of(std::initializer_list<std::string> events) {
  StreamedAnswer answer;
  for (const std::string& event : events) {
    const auto parts = answer.take(event);
    if (!parts) return parts.error().message;
  }
  return "none";
}

TEST(StreamedAnswer, IsPutTogether) {
  StreamedAnswer answer;
  EXPECT_THAT(answer.take(delta(R"("role": "assistant", "content": "")")).value(), IsEmpty());
  EXPECT_THAT(answer.take(delta(R"("reasoning_content": "7 plus")")).value(),
              ElementsAre(CompletionPart{PartKind::kReasoning, "7 plus"}));
  EXPECT_THAT(
      answer.take(delta(R"("content": "15", "reasoning_content": " 8")")).value(),
      ElementsAre(CompletionPart{PartKind::kReasoning, " 8"}, CompletionPart{PartKind::kContent, "15"}));
  EXPECT_FALSE(answer.is_whole());
  EXPECT_THAT(answer.take(R"({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": null})").value(),
              IsEmpty());
  EXPECT_TRUE(answer.is_whole());
  EXPECT_THAT(answer
                  .take(R"({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5,
                              "prompt_tokens_details": {"cached_tokens": 4}}})")
                  .value(),
              IsEmpty());
  EXPECT_THAT(answer.take("[DONE]").value(), IsEmpty());
  EXPECT_EQ(answer.message(),
            (ChatMessage{.role = ChatRole::kAssistant, .content = "15", .reasoning_content = "7 plus 8"}));
  EXPECT_EQ(answer.finish_reason(), "stop");
  EXPECT_EQ(answer.usage()->prompt_tokens, 9U);
  EXPECT_EQ(answer.usage()->cached_tokens, 4U);
  EXPECT_EQ(answer.usage()->completion_tokens, 5U);
}

TEST(StreamedAnswer, PutsCallsTogether) {
  StreamedAnswer answer;
  for (const char* call :
       {R"({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}})",
        R"({"index": 0, "function": {"arguments": "{\"x\""}})",
        R"({"index": 0, "function": {"arguments": ": 1}"}}, {"index": 1, "function": {"name": "g"}})"})
    EXPECT_THAT(answer.take(delta(std::string(R"("tool_calls": [)") + call + "]")).value(), IsEmpty());
  EXPECT_THAT(answer.message().tool_calls,
              ElementsAre(ToolCall{"a", "f", R"({"x": 1})"}, ToolCall{"", "g", ""}));
}

TEST(StreamedAnswer, RefusesWhatNoServerSays) {
  EXPECT_EQ(error_of({delta("")}), "none");
  for (const char* text : {"", "{", "nonsense", "[DONE"}) EXPECT_NE(error_of({text}), "none") << text;
  EXPECT_THAT(error_of({R"({"choices": 7})"}), HasSubstr("choices: a number was found"));
  EXPECT_THAT(error_of({R"({"choices": [{"delta": []}]})"}), HasSubstr("delta: an array was found"));
  EXPECT_THAT(error_of({delta(R"("content": 7)")}), HasSubstr("content: a number was found"));
  EXPECT_THAT(error_of({R"({"usage": {"prompt_tokens": -1}})"}), HasSubstr("prompt_tokens: -1"));
  EXPECT_THAT(error_of({delta(R"("tool_calls": [{"index": 1}])")}), HasSubstr("call 1"));
  EXPECT_THAT(error_of({delta(R"("tool_calls": [{"index": 18446744073709551615}])")}), HasSubstr("call 18"));
  EXPECT_EQ(error_of({R"(7)", R"([])", R"({"choices": [7]})", R"({"choices": [{}]})"}), "none");
}

TEST(StreamedAnswer, HandsOnWhatTheServerSaysOfItsFailure) {
  StreamedAnswer answer;
  const auto failed =
      answer.take(R"({"error": {"message": "layer 3, expert 5: gone", "type": "server_error"}})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_EQ(failed.error().message, "layer 3, expert 5: gone");
}

TEST(StreamedAnswer, HasABound) {
  StreamedAnswer answer;
  const std::string piece = delta(R"("content": ")" + std::string(1 << 20, 'x') + "\"");
  int taken = 0;
  while (taken < 100 && answer.take(piece)) ++taken;
  EXPECT_EQ(taken, 64);
}

TEST(ErrorMessage, IsTheServersOwnOrTheStartOfTheBody) {
  EXPECT_EQ(error_message_of(R"({"error": {"message": "no"}})"), "no");
  EXPECT_EQ(error_message_of(R"({"type": "error", "error": {"type": "x", "message": "no"}})"), "no");
  EXPECT_EQ(error_message_of(R"({"error": "no"})"), "no");
  EXPECT_EQ(error_message_of("<html>"), "<html>");
  EXPECT_EQ(error_message_of(std::string(1000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace sluice
