#include "server/session_pool.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

class SessionPoolTest : public ::testing::Test {
 protected:
  SessionPoolTest() {
    EngineOptions options;
    options.model_folder = SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16";
    options.context_tokens = 64;
    options.threads = 1;
    options.sessions = 2;
    engine_ = std::move(Engine::open(options).value());
  }

  static Result<GenerationResult> generate(SessionPool& pool, std::vector<int32_t> context) {
    GenerationRequest request;
    request.context_ids = std::move(context);
    request.max_new_tokens = 4;
    request.sampling.temperature = 0;
    request.stop_at_end_of_text = false;
    SLUICE_ASSIGN(Session * session, pool.lend(request.context_ids));
    auto result = session->generate(request);
    pool.give_back(session);
    return result;
  }

  static std::vector<int32_t> after(std::vector<int32_t> context, const std::vector<int32_t>& more) {
    context.insert(context.end(), more.begin(), more.end());
    return context;
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(SessionPoolTest, AGrowingSequenceKeepsItsStateAndTheOldestMakesRoom) {
  SessionPool pool(*engine_, 2);
  const std::vector<int32_t> a{1, 2, 3}, b{4, 5, 6}, c{7, 8, 9};
  const auto first_a = generate(pool, a);
  const auto first_b = generate(pool, b);
  EXPECT_EQ(pool.size(), 2U);
  const auto more_a = after(after(a, first_a->ids), {10, 11});
  const auto second_a = generate(pool, more_a);
  EXPECT_EQ(second_a->stats.reused_tokens, 6U);           // the last token made is not taken in
  EXPECT_EQ(generate(pool, c)->stats.reused_tokens, 0U);  // in b's place
  EXPECT_EQ(pool.size(), 2U);
  EXPECT_EQ(generate(pool, after(more_a, second_a->ids))->stats.reused_tokens, 12U);
  EXPECT_EQ(generate(pool, after(b, first_b->ids))->stats.reused_tokens, 0U);
  // The same bits as from nothing.
  Session fresh = std::move(engine_->new_session().value());
  GenerationRequest request;
  request.context_ids = more_a;
  request.max_new_tokens = 4;
  request.sampling.temperature = 0;
  request.stop_at_end_of_text = false;
  EXPECT_EQ(fresh.generate(request)->ids, second_a->ids);
}

TEST_F(SessionPoolTest, ARefusedRequestLeavesTheStateAsItWas) {
  SessionPool pool(*engine_, 1);
  const auto first = generate(pool, {1, 2, 3});
  EXPECT_FALSE(generate(pool, std::vector<int32_t>(65, 1)).has_value());
  EXPECT_EQ(generate(pool, after(after({1, 2, 3}, first->ids), {9}))->stats.reused_tokens, 6U);
}

TEST_F(SessionPoolTest, WhatIsLentIsNobodyElses) {
  SessionPool pool(*engine_, 2);
  const auto first = generate(pool, {1, 2, 3});
  const auto more = after(after({1, 2, 3}, first->ids), {9});
  Session* const one = pool.lend(more).value();
  EXPECT_EQ(one->tokens_held(), 6U);
  Session* const other = pool.lend(more).value();  // the same conversation, at the same time
  EXPECT_NE(one, other);
  EXPECT_EQ(other->tokens_held(), 0U);
  pool.give_back(one);
  EXPECT_EQ(pool.lend(more).value(), one);
}

}  // namespace
}  // namespace sluice
