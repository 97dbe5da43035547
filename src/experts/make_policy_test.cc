#include "experts/make_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "experts/decayed_frequency_policy.h"
#include "experts/forecast_policy.h"
#include "experts/lru_policy.h"

namespace sluice {
namespace {

TEST(MakePolicy, EveryNameMakesAPolicyThatHandsOutWhatItHolds) {
  for (const std::string_view name : policy_names()) {
    auto policy = make_policy(name, 3, 4);
    ASSERT_TRUE(policy) << policy.error().message;
    const std::array<uint32_t, 1> last = {11};
    (*policy)->on_route(2, last);
    (*policy)->on_insert(11);
    EXPECT_EQ((*policy)->victim(), std::nullopt) << name;
    (*policy)->on_unpin(11);
    EXPECT_EQ((*policy)->victim(), 11u) << name;
  }
}

TEST(MakePolicy, NamesStandForTheirClasses) {
  EXPECT_NE(dynamic_cast<LruPolicy*>(make_policy("lru", 1, 2)->get()), nullptr);
  EXPECT_NE(dynamic_cast<DecayedFrequencyPolicy*>(make_policy("decayed-frequency", 1, 2)->get()), nullptr);
  EXPECT_NE(dynamic_cast<ForecastPolicy*>(make_policy(kDefaultPolicy, 1, 2)->get()), nullptr);
}

TEST(MakePolicy, AnUnknownNameIsRefusedWithTheNamesThereAre) {
  for (const char* name : {"", "fifo", "belady", "lru-per-layer", "LRU"}) {
    const auto policy = make_policy(name, 1, 2);
    ASSERT_FALSE(policy) << name;
    EXPECT_EQ(policy.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(policy.error().message, ::testing::HasSubstr("lru, decayed-frequency, forecast"));
  }
}

}  // namespace
}  // namespace sluice
