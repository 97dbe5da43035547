#include "checkpoint/closest_name.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("kitten", "sitting", 10), 3u);
  EXPECT_EQ(edit_distance("same", "same", 10), 0u);
  EXPECT_EQ(edit_distance("", "abc", 10), 3u);
  EXPECT_EQ(edit_distance("abc", "", 10), 3u);
}

TEST(EditDistance, StopsCountingBeyondTheLimit) {
  EXPECT_EQ(edit_distance("aaaa", "bbbb", 2), 3u);
  EXPECT_EQ(edit_distance("a", "abcdefgh", 2), 3u);
}

TEST(CloseName, FindsMisspellings) {
  EXPECT_TRUE(is_close_name("layers.0.attn.q_norm.weight", "layers.0.attn.q_norm.weigth"));
  EXPECT_TRUE(is_close_name("head.weight", "heads.weight"));
}

TEST(CloseName, FindsPrefixes) {
  EXPECT_TRUE(is_close_name("layers.3.ffn.gate.bias", "model.layers.3.ffn.gate.bias"));
  EXPECT_TRUE(is_close_name("model.embed.weight", "embed.weight"));
}

TEST(CloseName, NeverOffersAnotherNumber) {
  EXPECT_FALSE(is_close_name("layers.3.ffn.gate.bias", "layers.4.ffn.gate.bias"));
  EXPECT_FALSE(is_close_name("layers.1.x.23.w", "layers.12.x.3.w"));
}

TEST(CloseName, NeverOffersSomethingElse) {
  EXPECT_FALSE(is_close_name("norm.weight", "head.weight"));
  EXPECT_FALSE(is_close_name("abc", "abd"));
  EXPECT_FALSE(is_close_name("weight", "heavyweight"));
}

}  // namespace
}  // namespace sluice
