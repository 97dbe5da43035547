#include "engine/speed_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stop_token>
#include <vector>

#include "engine/loaded_model.h"

namespace sluice {
namespace {

using testing::HasSubstr;

std::unique_ptr<Engine> open_tiny(uint64_t context_tokens = 64, size_t parallel = 1) {
  EngineOptions options;
  options.model_folder = SLUICE_SOURCE_DIR "/models/tiny-v4";
  options.cache = CacheSize{.percent = 25};
  options.threads = 1;
  options.context_tokens = context_tokens;
  options.sessions = parallel;
  options.parallel = parallel;
  auto engine = Engine::open(options);
  if (!engine) ADD_FAILURE() << engine.error().message;
  return engine ? std::move(*engine) : nullptr;
}

TEST(SpeedRun, CountsThePromptAndTheSecondHalfOfTheNewTokens) {
  const auto engine = open_tiny();
  ASSERT_TRUE(engine);
  std::vector<uint64_t> progress;
  SpeedRunOptions options;
  options.prompt_tokens = 5;
  options.new_tokens = 8;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, 13U);
    progress.push_back(done);
  };
  const auto run = run_for_speed(*engine, options);
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->prefill.sample.tokens, 5U);
  EXPECT_EQ(run->decode.sample.tokens, 4U);
  const ModelConfig& config = engine->loaded().checkpoint.config();
  const StreamCounters& spent = run->decode.sample.spent;
  EXPECT_LE(spent.hits + spent.misses, 4U * config.num_hidden_layers * config.num_experts_per_tok);
  EXPECT_GE(spent.hits + spent.misses, 4U * config.num_hidden_layers);
  EXPECT_TRUE(std::ranges::is_sorted(progress));
  EXPECT_EQ(progress.front(), 1U);  // between the layers of the prompt's only chunk
  EXPECT_EQ(progress.back(), 13U);
  for (const SpeedFigures& figures : {run->prefill, run->decode}) {
    uint64_t sum_ns = figures.rest_ns();
    for (const uint64_t part_ns : figures.part_ns) sum_ns += part_ns;
    EXPECT_EQ(sum_ns, figures.sample.interval_ns);
    EXPECT_GT(figures.part_ns[static_cast<size_t>(PassPart::kExpert)], 0U);
  }
}

// Every token is routed alike: after the first one there is nothing to read.
TEST(SpeedRun, FollowsATrace) {
  const auto engine = open_tiny();
  ASSERT_TRUE(engine);
  const ModelConfig& config = engine->loaded().checkpoint.config();
  Trace trace;
  trace.header = {.model = "one",
                  .layers = config.num_hidden_layers,
                  .experts = config.n_routed_experts,
                  .experts_per_token = config.num_experts_per_tok,
                  .expert_bytes = 1};
  std::vector<uint32_t> experts;
  std::vector<float> weights;
  for (uint32_t rank = 0; rank < config.num_experts_per_tok; ++rank) {
    experts.push_back(2 * rank + 1);
    weights.push_back(1);
  }
  for (uint32_t token = 0; token < 12; ++token) {
    for (uint32_t layer = 0; layer < config.num_hidden_layers; ++layer)
      trace.routes.push_back({TracePhase::kDecode, token, layer, experts, weights, {}});
  }
  const auto routes = TraceRoutes::create(trace, config);
  ASSERT_TRUE(routes.has_value()) << routes.error().message;
  SpeedRunOptions options;
  options.prompt_tokens = 2;
  options.new_tokens = 10;
  options.routes = &*routes;
  const auto run = run_for_speed(*engine, options);
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->decode.sample.spent.misses, 0U);
  EXPECT_EQ(run->decode.sample.spent.hits, 5U * config.num_hidden_layers * config.num_experts_per_tok);
}

TEST(SpeedRun, CountsTheTokensOfAllSequences) {
  const auto engine = open_tiny(64, 3);
  ASSERT_TRUE(engine);
  SpeedRunOptions options;
  options.prompt_tokens = 5;
  options.new_tokens = 8;
  options.sequences = 3;
  const auto run = run_for_speed(*engine, options);
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->prefill.sample.tokens, 15U);
  EXPECT_EQ(run->decode.sample.tokens, 12U);
  // An expert that several sequences need in a pass is asked for once.
  const ModelConfig& config = engine->loaded().checkpoint.config();
  const StreamCounters& spent = run->decode.sample.spent;
  EXPECT_LT(spent.hits + spent.misses, 12U * config.num_hidden_layers * config.num_experts_per_tok);
  options.sequences = 4;
  const auto refused = run_for_speed(*engine, options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("4 sequences were asked for, 3 were planned for"));
}

// Random rows are rows: selection, attention and compression go on from them.
TEST(SpeedRun, GoesOnFromAContextThatItPretends) {
  const auto engine = open_tiny(2048);
  ASSERT_TRUE(engine);
  SpeedRunOptions options;
  options.held_tokens = 2000;
  options.prompt_tokens = 7;
  options.new_tokens = 4;
  const auto run = run_for_speed(*engine, options);
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_EQ(run->decode.sample.tokens, 2U);
}

// The ids are chosen by the logits: had they changed, so would have what is asked for.
TEST(SpeedRun, AsksForTheSameExpertsWhenItGathersThem) {
  EngineOptions engine_options;
  engine_options.model_folder = SLUICE_SOURCE_DIR "/models/tiny-v4";
  engine_options.cache = CacheSize{.percent = 25};
  engine_options.threads = 1;
  engine_options.context_tokens = 64;
  engine_options.policy = "lru";
  engine_options.prefetch = PrefetchMode::kOff;  // what is guessed in time is a matter of time
  std::vector<StreamCounters> spent;
  for (const bool gathers : {false, true}) {
    const auto engine = Engine::open(engine_options);
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    SpeedRunOptions options;
    options.new_tokens = 32;
    options.gathers_experts = gathers;
    const auto run = run_for_speed(**engine, options);
    ASSERT_TRUE(run.has_value()) << run.error().message;
    spent.push_back(run->decode.sample.spent);
  }
  EXPECT_EQ(spent[0].hits, spent[1].hits);
  EXPECT_EQ(spent[0].misses, spent[1].misses);
  EXPECT_EQ(spent[0].read_bytes, spent[1].read_bytes);
}

TEST(SpeedRun, SaysWhenTheContextIsTooSmallAndWhenItWasCancelled) {
  const auto engine = open_tiny(8);
  ASSERT_TRUE(engine);
  SpeedRunOptions options;
  options.prompt_tokens = 4;
  options.new_tokens = 8;
  const auto full = run_for_speed(*engine, options);
  ASSERT_FALSE(full.has_value());
  EXPECT_EQ(full.error().code, ErrorCode::kOutOfBudget);
  EXPECT_THAT(full.error().message, HasSubstr("12 tokens do not fit the context of 8"));
  options.new_tokens = 2;
  std::stop_source stop;
  stop.request_stop();
  options.cancel = stop.get_token();
  const auto cancelled = run_for_speed(*engine, options);
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
}

TEST(SpeedRun, IsCancelledBetweenTheLayersOfAChunk) {
  const auto engine = open_tiny();
  ASSERT_TRUE(engine);
  std::stop_source stop;
  std::vector<uint64_t> progress;
  SpeedRunOptions options;
  options.prompt_tokens = 5;
  options.cancel = stop.get_token();
  options.on_progress = [&](uint64_t done, uint64_t) {
    progress.push_back(done);
    stop.request_stop();
  };
  const auto cancelled = run_for_speed(*engine, options);
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(progress, std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace sluice
