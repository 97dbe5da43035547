#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "text/test_tokenizers.h"
#include "text/utf8.h"

namespace sluice {
namespace {

// What a whole text must come out as: every longest broken start replaced.
std::string repaired(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Utf8Step step = utf8_step(bytes);
    text +=
        step.kind == Utf8Step::Kind::kCharacter ? bytes.substr(0, step.length_bytes) : kReplacementCharacter;
    bytes.remove_prefix(step.length_bytes);
  }
  return text;
}

class DetokenizerTest : public ::testing::Test {
 protected:
  // One id per byte, so that every character is split.
  Tokenizer bytes_ = testing::parse_small(testing::small_tokenizer_json());
  Detokenizer stream_{bytes_};
};

TEST_F(DetokenizerTest, HoldsACharacterBackUntilItIsWhole) {
  EXPECT_EQ(stream_.push(0xF0), "");
  EXPECT_EQ(stream_.push(0x9F), "");
  EXPECT_EQ(stream_.push(0x9A), "");
  EXPECT_EQ(stream_.push(0x80), "🚀");
  EXPECT_EQ(stream_.push('a'), "a");
  EXPECT_EQ(stream_.finish(), "");
}

TEST_F(DetokenizerTest, ReplacesBrokenBytesAsSoonAsTheyAreKnown) {
  EXPECT_EQ(stream_.push(0xFF), "\uFFFD");
  EXPECT_EQ(stream_.push(0xE2), "");
  EXPECT_EQ(stream_.push(0x82), "");
  EXPECT_EQ(stream_.push('x'), "\uFFFDx");
  EXPECT_EQ(stream_.push(0xE2), "");
  EXPECT_EQ(stream_.push(0xC3), "\uFFFD");
  EXPECT_EQ(stream_.push(0xA9), "é");
}

TEST_F(DetokenizerTest, ReplacesAnIncompleteEndOnceAndStartsAfresh) {
  stream_.push(0xF0);
  stream_.push(0x9F);
  EXPECT_EQ(stream_.finish(), "\uFFFD");
  EXPECT_EQ(stream_.finish(), "");
  EXPECT_EQ(stream_.push('a'), "a");
}

TEST_F(DetokenizerTest, ShowsSpecialTokensAndUnknownIds) {
  EXPECT_EQ(stream_.push(256), "<s>");
  EXPECT_EQ(stream_.push(100000), "\uFFFD");
  EXPECT_EQ(stream_.push(-1), "\uFFFD");
}

TEST_F(DetokenizerTest, GivesTheRepairedTextOfAnyBytes) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (size_t i = random() % 40; i > 0; --i) {
      constexpr std::string_view kBytes = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80\xED\xA0\xFF";
      text += kBytes[random() % kBytes.size()];
    }
    std::string streamed;
    for (const char byte : text) streamed += stream_.push(static_cast<unsigned char>(byte));
    streamed += stream_.finish();
    ASSERT_EQ(streamed, repaired(text)) << ::testing::PrintToString(text);
  }
}

TEST(Detokenizer, StreamsTheTinyModelsTokens) {
  const Tokenizer& tokenizer = testing::tiny_tokenizer();
  const std::string text = "emoji 👩‍🚀🚀 日本語 naïve";
  Detokenizer stream(tokenizer);
  std::string streamed;
  for (const int32_t id : tokenizer.encode(text)) {
    const std::string delta = stream.push(id);
    EXPECT_EQ(utf8_valid_prefix_bytes(delta), delta.size());
    streamed += delta;
  }
  EXPECT_EQ(streamed + stream.finish(), text);
}

}  // namespace
}  // namespace sluice
