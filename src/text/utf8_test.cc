#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

using StepKind = Utf8Step::Kind;

void expect_step(std::string_view text, StepKind kind, size_t length_bytes) {
  const Utf8Step step = utf8_step(text);
  EXPECT_EQ(step.kind, kind) << testing::PrintToString(text);
  EXPECT_EQ(step.length_bytes, length_bytes) << testing::PrintToString(text);
}

// The encoder's own arithmetic, to compare with.
std::string encode(unsigned code) {
  const auto tail = [&](unsigned shift) { return static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | (code >> 6)), tail(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | (code >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | (code >> 18)), tail(12), tail(6), tail(0)};
}

TEST(Utf8, AcceptsEveryCharacterAndNoSurrogate) {
  for (unsigned code = 0; code < 0x110000; ++code) {
    const std::string text = encode(code) + "x";
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const Utf8Step step = utf8_step(text);
    ASSERT_EQ(step.kind == StepKind::kCharacter, !surrogate) << code;
    if (!surrogate) {
      ASSERT_EQ(step.length_bytes, text.size() - 1) << code;
    }
  }
}

TEST(Utf8, RejectsOverlongFormsAndWhatIsAboveUnicode) {
  expect_step("\xC0\x80", StepKind::kInvalid, 1);
  expect_step("\xC1\xBF", StepKind::kInvalid, 1);
  expect_step("\xE0\x9F\xBF", StepKind::kInvalid, 1);
  expect_step("\xF0\x8F\xBF\xBF", StepKind::kInvalid, 1);
  expect_step("\xF4\x90\x80\x80", StepKind::kInvalid, 1);
  expect_step("\xF5\x80\x80\x80", StepKind::kInvalid, 1);
  expect_step("\x80", StepKind::kInvalid, 1);
  expect_step("\xFF", StepKind::kInvalid, 1);
}

TEST(Utf8, CountsTheLongestStartOfABrokenCharacter) {
  expect_step("\xE2\x82x", StepKind::kInvalid, 2);
  expect_step("\xF0\x9F\x9Ax", StepKind::kInvalid, 3);
  expect_step("\xF0\x9Fx", StepKind::kInvalid, 2);
}

TEST(Utf8, KnowsWhatMayStillBecomeACharacter) {
  expect_step("\xC3", StepKind::kIncomplete, 1);
  expect_step("\xE2\x82", StepKind::kIncomplete, 2);
  expect_step("\xF0\x9F\x9A", StepKind::kIncomplete, 3);
}

TEST(Utf8, MeasuresTheValidPrefix) {
  EXPECT_EQ(utf8_valid_prefix_bytes(""), 0u);
  EXPECT_EQ(utf8_valid_prefix_bytes("aé日🚀"), 10u);
  EXPECT_EQ(utf8_valid_prefix_bytes("aé\xFFz"), 3u);
  EXPECT_EQ(utf8_valid_prefix_bytes("aé\xE2\x82"), 3u);
}

}  // namespace
}  // namespace sluice
