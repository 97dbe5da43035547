#include "checkpoint/strict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using ::testing::HasSubstr;

std::string json_refusal(const std::string& text) {
  const auto parsed = parse_strict_json(text, "file.json");
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(parsed.error().message, HasSubstr("file.json: "));
  return parsed.error().message;
}

std::string nested(size_t levels) {
  return "{\"a\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
}

TEST(StrictJson, GivesWhatTheTextSays) {
  const std::string text =
      R"({"a":[1,-2,3.5,true,null,"x",{"b":[]}],"c":{"d":{"a":"\u00e9"},"e":18446744073709551615},"f":[[1],[2,[3]]]})";
  const auto parsed = parse_strict_json(text, "file.json");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, nlohmann::json::parse(text));
}

TEST(StrictJson, RefusesAKeyThatStandsTwice) {
  EXPECT_THAT(json_refusal(R"({"a":1,"b":2,"a":1})"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(json_refusal(R"({"x":{"y":{"a":1,"a":2}}})"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(json_refusal(R"({"a":1,"\u0061":1})"), HasSubstr("\"a\" stands twice"));
}

TEST(StrictJson, AcceptsOneKeyInTwoObjects) {
  EXPECT_EQ(json_refusal(R"({"x":{"a":1},"y":{"a":2},"a":3})"), "");
}

TEST(StrictJson, RefusesNestingBeyondTheLimitWhateverItsDepth) {
  EXPECT_EQ(json_refusal(nested(kJsonDepthLimit)), "");
  EXPECT_THAT(json_refusal(nested(kJsonDepthLimit + 1)), HasSubstr("levels deep"));
  EXPECT_THAT(json_refusal("{\"a\":" + std::string(10'000'000, '[')), HasSubstr("levels deep"));
}

TEST(StrictJson, RefusesBrokenText) {
  EXPECT_THAT(json_refusal(""), HasSubstr("empty"));
  EXPECT_THAT(json_refusal("{\"a\":1"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(json_refusal("{\"a\":}"), HasSubstr("not valid JSON at byte 6"));
  EXPECT_THAT(json_refusal("{\"a\":1}{}"), HasSubstr("not valid JSON at byte 8"));
  EXPECT_THAT(json_refusal("{\"\xff\":1}"), HasSubstr("not valid JSON at byte"));
  EXPECT_THAT(json_refusal("{\"a\":1e999}"), HasSubstr("not valid JSON at byte"));
}

TEST(StrictJson, RefusesWhatIsNotAnObject) {
  EXPECT_THAT(json_refusal("[1]"), HasSubstr("holds array"));
  EXPECT_THAT(json_refusal("3"), HasSubstr("holds number"));
}

}  // namespace
}  // namespace sluice
