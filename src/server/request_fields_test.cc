#include "server/request_fields.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

JsonValue parsed(const std::string& text) {
  return parse_json(text).value();
}

TEST(RequestFields, ReadsWhatIsThere) {
  const JsonValue body =
      parsed(R"({"s": "x", "b": true, "n": 0.5, "i": 7, "f": 7.0, "a": [1], "o": {"s": 1}, "z": null})");
  const auto fields = RequestFields::of(body, "").value();
  EXPECT_EQ(fields.string("s").value(), "x");
  EXPECT_EQ(fields.boolean("b").value(), true);
  EXPECT_EQ(fields.number("n", 0, 1).value(), 0.5);
  EXPECT_EQ(fields.number("i", 0, 9).value(), 7.0);
  EXPECT_EQ(fields.integer("i", 0, 9).value(), 7U);
  EXPECT_EQ(fields.integer("f", 0, 9).value(), 7U);
  EXPECT_EQ(fields.array("a").value()->items.size(), 1U);
  EXPECT_TRUE(fields.object("o").value().has_value());
  EXPECT_FALSE(fields.string("z").value().has_value());
  EXPECT_FALSE(fields.integer("none", 0, 9).value().has_value());
}

TEST(RequestFields, SaysWhereSomethingElseStands) {
  const JsonValue body = parsed(R"({"o": {"s": 5, "i": 1e30, "n": "x", "b": 1, "a": {}}})");
  const auto fields = RequestFields::of(body, "").value().object("o").value().value();
  EXPECT_EQ(fields.string("s").error().message, "o.s: 5 was found, a string was expected");
  EXPECT_EQ(fields.required_string("none").error().message,
            "o.none: nothing was found, a string was expected");
  EXPECT_EQ(fields.integer("i", 0, 9).error().message,
            "o.i: 1e+30 was found, a whole number from 0 to 9 was expected");
  EXPECT_EQ(fields.integer("s", 6, 9).error().message,
            "o.s: 5 was found, a whole number from 6 to 9 was expected");
  EXPECT_EQ(fields.number("n", 0, 1).error().message,
            "o.n: \"x\" was found, a number from 0 to 1 was expected");
  EXPECT_EQ(fields.boolean("b").error().message, "o.b: 1 was found, a boolean was expected");
  EXPECT_EQ(fields.array("a").error().message, "o.a: an object was found, an array was expected");
  for (const char* text : {"[]", "7", "\"x\"", "null"}) {
    EXPECT_EQ(RequestFields::of(parsed(text), "tools[0]").error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(RequestFields, TheFieldOfAnErrorIsItsPath) {
  EXPECT_EQ(field_of("messages[2].content: 7 was found, a string was expected"), "messages[2].content");
  EXPECT_EQ(field_of("the body: nothing was found"), "");
  EXPECT_EQ(field_of("no path"), "");
  EXPECT_EQ(field_of(": x"), "");
}

}  // namespace
}  // namespace sluice
