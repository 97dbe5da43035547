#include "engine/trace_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ModelConfig config_of(uint32_t layers, uint32_t experts, uint32_t k) {
  ModelConfig config;
  config.num_hidden_layers = layers;
  config.n_routed_experts = experts;
  config.num_experts_per_tok = k;
  return config;
}

Trace trace_of(uint32_t layers) {
  Trace trace;
  trace.header = {.model = "some", .layers = layers, .experts = 8, .experts_per_token = 3, .expert_bytes = 1};
  return trace;
}

TEST(TraceRoutes, NamesTheStrongestExpertsOfItsTokens) {
  Trace trace = trace_of(3);
  trace.routes = {{TracePhase::kPrefill, 0, 0, {5, 1, 2}, {3, 2, 1}, {}},
                  {TracePhase::kPrefill, 0, 1, {7}, {1}, {}},
                  {TracePhase::kPrefill, 0, 2, {1, 2, 3}, {3, 2, 1}, {}},
                  {TracePhase::kDecode, 1, 1, {0, 6, 4}, {3, 2, 1}, {}}};
  const auto routes = TraceRoutes::create(trace, config_of(2, 16, 2));
  ASSERT_TRUE(routes.has_value()) << routes.error().message;
  EXPECT_EQ(routes->tokens(), 2U);
  EXPECT_EQ(routes->prompt_tokens(), 1U);
  EXPECT_THAT(routes->experts(0, 0), ElementsAre(5, 1));
  EXPECT_THAT(routes->experts(1, 0), ElementsAre(7, 7));
  EXPECT_THAT(routes->experts(0, 1), IsEmpty());
  EXPECT_THAT(routes->experts(1, 1), ElementsAre(0, 6));
  EXPECT_THAT(routes->experts(2, 0), IsEmpty());
  EXPECT_THAT(routes->experts(0, 2), IsEmpty());
}

TEST(TraceRoutes, ATraceOfASmallerModelIsRefusedAndSaysWhy) {
  for (const auto& config : {config_of(4, 8, 3), config_of(3, 7, 3), config_of(3, 8, 4)}) {
    const auto routes = TraceRoutes::create(trace_of(3), config);
    ASSERT_FALSE(routes.has_value());
    EXPECT_EQ(routes.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(routes.error().message, HasSubstr("the trace of some has 3 layers and 3 of 8 experts"));
  }
  EXPECT_EQ(TraceRoutes::create(trace_of(3), config_of(3, 8, 3)).value().tokens(), 0U);
}

}  // namespace
}  // namespace sluice
