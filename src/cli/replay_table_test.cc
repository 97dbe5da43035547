#include "cli/replay_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using ::testing::HasSubstr;

Trace three_tokens() {
  Trace trace{{"m", 1, 4, 1, 2'000'000, false}, {}};
  for (uint32_t token = 0; token < 3; ++token)
    trace.routes.push_back(
        {token == 0 ? TracePhase::kPrefill : TracePhase::kDecode, token, 0, {token / 2}, {1.0F}, {}});
  return trace;
}

// Token 1 asks for what token 0 brought, token 2 does not.
std::vector<ReplayRow> rows_of(const Trace& trace) {
  const double shares[] = {0.25, 1.0};
  return replay_all(trace, "lru,belady", shares).value();
}

TEST(ReplayTable, HasALineForEveryPolicyAndAColumnForEveryCapacity) {
  const Trace trace = three_tokens();
  const std::string text = describe_replay(trace, rows_of(trace));
  EXPECT_THAT(text, HasSubstr("m: 1 layers of 4 experts, 1 per token; 1 tokens to warm up, 2 counted\n"));
  EXPECT_THAT(text, HasSubstr("hits, at a capacity of             25 %    100 %\n"
                              "lru                              50.0 %   50.0 %\n"
                              "belady                           50.0 %   50.0 %\n"));
  EXPECT_THAT(text, HasSubstr("MB to read per token               25 %    100 %\n"
                              "lru                               1.000    1.000\n"));
}

TEST(ReplayTable, JsonHoldsEveryRow) {
  const Trace trace = three_tokens();
  const auto json = nlohmann::json::parse(replay_as_json(trace, rows_of(trace)), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["decode_tokens"], 2);
  ASSERT_EQ(json["rows"].size(), 4u);
  EXPECT_EQ(json["rows"][1]["policy"], "belady");
  EXPECT_EQ(json["rows"][2]["capacity"], 1.0);
  EXPECT_EQ(json["rows"][2]["slots"], 4);
  EXPECT_EQ(json["rows"][0]["hits"], 1);
  EXPECT_EQ(json["rows"][0]["read_bytes_per_token"], 1e6);
}

}  // namespace
}  // namespace sluice
