#include "text/special_tokens.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(SpecialTokens, FindsTheLongestAtAPlace) {
  SpecialTokens tokens;
  tokens.add("<s>", 1);
  tokens.add("<s><s>", 2);
  tokens.add("<t>", 3);
  const auto match = tokens.longest_at("<s><s>x");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->id, 2);
  EXPECT_EQ(match->length_bytes, 6u);
}

TEST(SpecialTokens, FallsBackToAShorterOneWhenALongerStartFails) {
  SpecialTokens tokens;
  tokens.add("ab", 1);
  tokens.add("abcd", 2);
  const auto match = tokens.longest_at("abcx");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->id, 1);
  EXPECT_EQ(match->length_bytes, 2u);
}

TEST(SpecialTokens, FindsNothingInStartsOfTokens) {
  SpecialTokens tokens;
  EXPECT_TRUE(tokens.empty());
  tokens.add("abc", 1);
  EXPECT_FALSE(tokens.empty());
  EXPECT_FALSE(tokens.longest_at("ab"));
  EXPECT_FALSE(tokens.longest_at(""));
  EXPECT_FALSE(tokens.longest_at("xabc"));
  EXPECT_TRUE(tokens.may_start('a'));
  EXPECT_FALSE(tokens.may_start('b'));
}

}  // namespace
}  // namespace sluice
