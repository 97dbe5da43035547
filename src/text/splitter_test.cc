#include "text/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Splitter compile(const std::vector<std::string>& patterns) {
  auto splitter = Splitter::compile(patterns);
  if (!splitter) throw std::runtime_error(splitter.error().message);
  return std::move(*splitter);
}

TEST(Splitter, KeepsMatchesAndWhatLiesBetween) {
  EXPECT_THAT(compile({"[0-9]{1,3}"}).split("ab12345c"), ElementsAre("ab", "123", "45", "c"));
}

TEST(Splitter, AppliesPatternsInSequence) {
  EXPECT_THAT(compile({"\\p{N}+", "\\p{L}+"}).split("é1 b"), ElementsAre("é", "1", " ", "b"));
}

TEST(Splitter, HidesNeighboursFromLookAround) {
  // Behind the first split, "a" ends its piece: the look-ahead for a digit fails.
  EXPECT_THAT(compile({"[0-9]", "a(?=1)"}).split("xa1"), ElementsAre("xa", "1"));
  EXPECT_THAT(compile({"a(?=1)"}).split("xa1"), ElementsAre("x", "a", "1"));
}

TEST(Splitter, CutsAtEmptyMatchesAndEnds) {
  EXPECT_THAT(compile({"(?=b)"}).split("abéb"), ElementsAre("a", "bé", "b"));
  EXPECT_THAT(compile({""}).split("aé日"), ElementsAre("a", "é", "日"));
  EXPECT_THAT(compile({"a*"}).split("baac"), ElementsAre("b", "aa", "c"));
}

TEST(Splitter, GivesNothingForNothing) {
  EXPECT_THAT(compile({"a"}).split(""), ElementsAre());
}

TEST(Splitter, KeepsTextWholeWithoutPatterns) {
  EXPECT_THAT(compile({}).split("a b"), ElementsAre("a b"));
}

TEST(Splitter, KeepsTheRestWholeWhenASearchExceedsItsLimits) {
  const std::string hard = std::string(40, 'a') + "!";
  const std::string text = "x" + hard;
  const auto pieces = compile({"x|(?:a|aa)+$"}).split(text);
  EXPECT_THAT(pieces, ElementsAre("x", hard));
}

TEST(Splitter, QuotesAPatternThatDoesNotCompile) {
  const auto splitter = Splitter::compile({"a", "(b"});
  ASSERT_FALSE(splitter);
  EXPECT_EQ(splitter.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(splitter.error().message, HasSubstr("\"(b\" does not compile: missing closing parenthesis"));
}

}  // namespace
}  // namespace sluice
