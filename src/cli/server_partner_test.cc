#include "cli/server_partner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/server_live_row.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Conversation kHello{{.role = ChatRole::kSystem, .content = "Be kind."},
                          {.role = ChatRole::kUser, .content = "Hi\xFF"},
                          {.role = ChatRole::kAssistant, .content = "Hello.", .reasoning_content = "hm"},
                          {.role = ChatRole::kUser, .content = "Bye"}};

TEST(ChatRequestBody, SaysOnlyWhatWasSaid) {
  EXPECT_EQ(chat_request_body("m", kHello, {}, {}, 0),
            R"({"model": "m", "messages": [{"role": "system", "content": "Be kind."}, )"
            "{\"role\": \"user\", \"content\": \"Hi\uFFFD\"}, "
            R"({"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Bye"}], )"
            R"("stream": true, "stream_options": {"include_usage": true}})");
}

TEST(ChatRequestBody, SaysAllThatWasSaid) {
  const SamplingFlags sampling{
      .temperature = 0.7, .top_k = 40, .top_p = 0.95, .min_p = 1e-7, .seed = 1ULL << 53};
  const std::string body =
      chat_request_body("m", kHello, {.thinking_mode = ThinkingMode::kThinking}, sampling, 9);
  EXPECT_THAT(body,
              HasSubstr(R"("reasoning_effort": "high", "temperature": 0.7, "top_k": 40, "top_p": 0.95, )"
                        R"("min_p": 1e-07, "seed": 9007199254740992, "max_tokens": 9})"));
  SamplingFlags greedy;
  greedy.greedy = true;
  const ChatOptions most{.thinking_mode = ThinkingMode::kThinking, .reasoning_effort = ReasoningEffort::kMax};
  EXPECT_THAT(chat_request_body("m", kHello, most, greedy, 0),
              HasSubstr(R"("reasoning_effort": "max", "temperature": 0})"));
}

TEST(ChatRequestBody, PutsToolsWhereServersLookForThem) {
  Conversation talk = kHello;
  talk[0].content.clear();
  talk[0].tools = {R"({"name": "f", "parameters": {}})"};
  const std::string body = chat_request_body("m", talk, {}, {}, 0);
  EXPECT_THAT(body,
              HasSubstr(R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}])"));
  EXPECT_THAT(body, Not(HasSubstr("system")));
  EXPECT_THAT(body, HasSubstr(R"("reasoning_content": "hm")"));
}

TEST(MetricValue, IsThatOfTheWholeName) {
  const std::string text =
      "# HELP a_total x\n# TYPE a_total counter\na_total 17\na_total_b 2\nc{x=\"y\"} 3\nd x\n";
  EXPECT_EQ(metric_value(text, "a_total"), 17);
  EXPECT_EQ(metric_value(text, "a"), std::nullopt);
  EXPECT_EQ(metric_value(text, "c"), std::nullopt);
  EXPECT_EQ(metric_value(text, "d"), std::nullopt);
  EXPECT_EQ(metric_value("", "d"), std::nullopt);
}

TEST(LiveSample, IsReadOrRefused) {
  const auto sample = parse_live_sample(
      R"({"interval_ns": 250000000, "tokens": 5, "running": 1, "waiting": 0, "hits": 3, "misses": 1,
          "read_bytes": 1000, "read_busy_ns": 7, "wait_ns": 9, "changes": ""})");
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->tokens_per_second(), 20);
  EXPECT_EQ(sample->hit_rate(), 0.75);
  for (const char* text :
       {"", "[]", "{}", R"({"interval_ns": "7"})", R"({"interval_ns": 1.5})", R"({"interval_ns": -1})"})
    EXPECT_FALSE(parse_live_sample(text)) << text;
}

}  // namespace
}  // namespace sluice
