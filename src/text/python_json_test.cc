#include "text/python_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

// Parses and writes again.
std::string rewritten(std::string_view text) {
  const auto value = parse_json(text);
  return value ? python_json(*value) : "error: " + value.error().message;
}

TEST(PythonJson, SeparatesAsPythonDoes) {
  EXPECT_EQ(rewritten("{\"b\":[1,2,{}],\"a\":{\"x\":null}}"), "{\"b\": [1, 2, {}], \"a\": {\"x\": null}}");
  EXPECT_EQ(rewritten(" [ true , false , [] ] "), "[true, false, []]");
}

// Each pair: a spelling in JSON, and repr() of what json.loads makes of it.
TEST(PythonJson, WritesNumbersAsPythonDoes) {
  const std::pair<const char*, const char*> kNumbers[] = {
      {"0", "0"},
      {"-0", "0"},
      {"1.0", "1.0"},
      {"-0.0", "-0.0"},
      {"2.50", "2.5"},
      {"1e5", "100000.0"},
      {"1E+15", "1000000000000000.0"},
      {"1e16", "1e+16"},
      {"123456789012345678.0", "1.2345678901234568e+17"},
      {"0.0001", "0.0001"},
      {"0.00001", "1e-05"},
      {"1.5e-7", "1.5e-07"},
      {"1e100", "1e+100"},
      {"5e-324", "5e-324"},
      {"1e-400", "0.0"},
      {"0.1", "0.1"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"-123456789012345678901234567890", "-123456789012345678901234567890"},
  };
  for (const auto& [json, python] : kNumbers) EXPECT_EQ(rewritten(json), python);
}

TEST(PythonJson, EscapesOnlyWhatPythonEscapes) {
  EXPECT_EQ(rewritten(R"("\u00e9 \ud83d\ude80 \/ \"\\ \b\f\n\r\t \u0000\u001f \u007f\u2028")"),
            "\"é 🚀 / \\\"\\\\ \\b\\f\\n\\r\\t \\u0000\\u001f \x7f\u2028\"");
}

TEST(PythonJson, LastValueOfAKeyCountsAtTheFirstPlace) {
  EXPECT_EQ(rewritten("{\"a\": 1, \"b\": 2, \"a\": {\"a\": 3, \"a\": 4}}"), "{\"a\": {\"a\": 4}, \"b\": 2}");
}

TEST(PythonJson, SaysWhereATextIsBroken) {
  EXPECT_THAT(rewritten("[1,\n x]"), HasSubstr("error: parse error at line 2, column 2"));
  EXPECT_THAT(rewritten(""), HasSubstr("error: parse error at line 1"));
  EXPECT_THAT(rewritten("{} {}"), HasSubstr("error: parse error"));
  EXPECT_THAT(rewritten("\"\xFF\""), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(rewritten("\"\\ud800\""), HasSubstr("error: parse error"));
  EXPECT_THAT(rewritten("[NaN]"), HasSubstr("error: parse error"));
  EXPECT_THAT(rewritten("1e999"), HasSubstr("error: number overflow"));
  EXPECT_EQ(rewritten(std::string_view("{}\0x", 4)), "error: a NUL byte is not JSON");
  EXPECT_EQ(rewritten("\xEF\xBB\xBF{}"), "error: a byte order mark is not JSON; remove it");
}

TEST(PythonJson, BoundsTheDepth) {
  EXPECT_EQ(rewritten(std::string(256, '[') + std::string(256, ']')),
            std::string(256, '[') + std::string(256, ']'));
  EXPECT_EQ(rewritten(std::string(257, '[') + std::string(257, ']')), "error: nested more than 256 deep");
  EXPECT_EQ(rewritten(std::string(1'000'000, '[')), "error: nested more than 256 deep");
}

TEST(PythonJson, FindsMembersAndKnowsWhatIsTrue) {
  const auto value = parse_json("{\"a\": 1, \"b\": [0]}");
  ASSERT_TRUE(value);
  ASSERT_NE(value->find("b"), nullptr);
  EXPECT_TRUE(value->find("b")->is(JsonValue::Kind::kArray));
  EXPECT_EQ(value->find("c"), nullptr);
  EXPECT_EQ(value->items[0].find("a"), nullptr);
  for (const char* text : {"null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"}) {
    EXPECT_FALSE(parse_json(text)->truthy()) << text;
  }
  for (const char* text : {"true", "1", "0.5", "1e-05", "\"0\"", "[0]", "{\"a\": null}", "10"}) {
    EXPECT_TRUE(parse_json(text)->truthy()) << text;
  }
}

}  // namespace
}  // namespace sluice
