#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "sluice/engine.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kContextTokens = 40;
constexpr size_t kVocab = 256;

EngineOptions small_engine() {
  EngineOptions options;
  options.model_folder = SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16";
  options.context_tokens = kContextTokens;
  options.chunk_tokens = 8;
  options.threads = 1;
  return options;
}

class SessionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto engine = Engine::open(small_engine());
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static Session new_session() { return std::move(engine_->new_session().value()); }

  // Greedy, over the end of the text, from a prompt of `tokens`.
  static GenerationRequest request(size_t tokens, uint64_t max_new_tokens) {
    GenerationRequest made;
    for (size_t i = 0; i < tokens; ++i) made.context_ids.push_back(static_cast<int32_t>(i * 31 % kVocab));
    made.max_new_tokens = max_new_tokens;
    made.sampling.temperature = 0;
    made.stop_at_end_of_text = false;
    return made;
  }

  static GenerationResult generate(Session& session, const GenerationRequest& made) {
    auto result = session.generate(made);
    if (!result) ADD_FAILURE() << result.error().message;
    return result.value_or(GenerationResult{});
  }

  // What a new session generates.
  static std::vector<int32_t> fresh_ids(const GenerationRequest& made) {
    Session session = new_session();
    return generate(session, made).ids;
  }

  static inline std::unique_ptr<Engine> engine_;
};

TEST_F(SessionTest, GeneratesAsManyTokensAsWereAskedFor) {
  Session session = new_session();
  std::vector<int32_t> seen;
  std::vector<uint64_t> prefilled;
  GenerationRequest made = request(20, 7);
  made.on_token = [&](int32_t id) {
    seen.push_back(id);
    return true;
  };
  made.on_prefill = [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, 20U);
    prefilled.push_back(done);
  };
  const GenerationResult result = generate(session, made);
  EXPECT_EQ(result.finish, FinishReason::kMaxTokens);
  EXPECT_EQ(result.ids.size(), 7U);
  EXPECT_EQ(seen, result.ids);
  EXPECT_EQ(prefilled, (std::vector<uint64_t>{8, 16, 20}));
  EXPECT_EQ(result.stats.prompt_tokens, 20U);
  EXPECT_EQ(result.stats.reused_tokens, 0U);
  EXPECT_EQ(result.stats.new_tokens, 7U);
  EXPECT_GT(result.stats.prefill_ns, 0U);
  // Every routed expert was a hit or a miss: 3 layers; k experts a token decoded, at most 9 a chunk
  // prefilled.
  EXPECT_EQ(result.stats.decode.hits + result.stats.decode.misses, 6U * 3 * 2);
  const uint64_t prefill_experts = result.stats.prefill.hits + result.stats.prefill.misses;
  EXPECT_GE(prefill_experts, 3U * 3 * 2);
  EXPECT_LE(prefill_experts, 3U * 3 * 9);
  EXPECT_EQ(session.tokens_held(), 26U);  // the last new token is not taken in
}

TEST_F(SessionTest, ReusesWhatItHoldsAndGivesTheSameBits) {
  Session session = new_session();
  GenerationRequest made = request(13, 5);
  const auto first = generate(session, made);
  // The conversation so far, and more.
  made.context_ids.insert(made.context_ids.end(), first.ids.begin(), first.ids.end());
  made.context_ids.insert(made.context_ids.end(), {9, 8, 7});
  const auto second = generate(session, made);
  EXPECT_EQ(second.stats.reused_tokens, 13U + 4U);
  EXPECT_EQ(second.stats.prompt_tokens, 21U);
  EXPECT_EQ(second.ids, fresh_ids(made));
}

TEST_F(SessionTest, StartsAnewWhenThePromptDoesNotGoOnFromWhatItHolds) {
  Session session = new_session();
  generate(session, request(13, 5));
  GenerationRequest other = request(13, 5);
  other.context_ids[4] = 100;
  const auto changed = generate(session, other);
  EXPECT_EQ(changed.stats.reused_tokens, 0U);
  EXPECT_EQ(changed.ids, fresh_ids(other));
  const auto shorter = generate(session, request(6, 5));
  EXPECT_EQ(shorter.stats.reused_tokens, 0U);
  EXPECT_EQ(shorter.ids, fresh_ids(request(6, 5)));
}

TEST_F(SessionTest, ThePromptThatItHoldsExactlyIsComputedAgainForItsLogits) {
  Session session = new_session();
  const auto first = generate(session, request(10, 1));
  EXPECT_EQ(session.tokens_held(), 10U);
  const auto again = generate(session, request(10, 1));
  EXPECT_EQ(again.ids, first.ids);
  EXPECT_EQ(session.tokens_held(), 10U);
}

TEST_F(SessionTest, CancelledBetweenChunksItKeepsWhatIsDoneAndGoesOn) {
  Session session = new_session();
  std::stop_source source;
  GenerationRequest made = request(20, 6);
  made.cancel = source.get_token();
  made.on_prefill = [&](uint64_t done, uint64_t) {
    if (done == 16) source.request_stop();
  };
  const auto cancelled = generate(session, made);
  EXPECT_EQ(cancelled.finish, FinishReason::kCancelled);
  EXPECT_TRUE(cancelled.ids.empty());
  EXPECT_EQ(session.tokens_held(), 16U);
  const auto resumed = generate(session, request(20, 6));
  EXPECT_EQ(resumed.stats.reused_tokens, 16U);
  EXPECT_EQ(resumed.ids, fresh_ids(request(20, 6)));
}

TEST_F(SessionTest, CancelledWhileDecodingItReturnsWhatItHas) {
  Session session = new_session();
  std::stop_source source;
  GenerationRequest made = request(10, 20);
  made.cancel = source.get_token();
  size_t seen = 0;
  made.on_token = [&](int32_t) {
    if (++seen == 3) source.request_stop();
    return true;
  };
  const auto cancelled = generate(session, made);
  EXPECT_EQ(cancelled.finish, FinishReason::kCancelled);
  EXPECT_EQ(cancelled.ids, fresh_ids(request(10, 3)));
}

TEST_F(SessionTest, OnTokenCanEndTheText) {
  Session session = new_session();
  GenerationRequest made = request(10, 20);
  size_t seen = 0;
  made.on_token = [&](int32_t) { return ++seen < 4; };
  const auto stopped = generate(session, made);
  EXPECT_EQ(stopped.finish, FinishReason::kCancelled);
  EXPECT_EQ(stopped.ids, fresh_ids(request(10, 4)));
  // And the session goes on from there.
  GenerationRequest further = request(10, 4);
  further.context_ids.insert(further.context_ids.end(), stopped.ids.begin(), stopped.ids.end());
  const auto more = generate(session, further);
  EXPECT_EQ(more.stats.reused_tokens, 13U);
  EXPECT_EQ(more.ids, fresh_ids(further));
}

TEST_F(SessionTest, EndsWhenTheContextIsFull) {
  Session session = new_session();
  EXPECT_EQ(session.context_tokens(), kContextTokens);
  const auto result = generate(session, request(36, 0));
  EXPECT_EQ(result.finish, FinishReason::kContextFull);
  EXPECT_EQ(result.ids.size(), 5U);  // four fit, and one more is known
  EXPECT_EQ(session.tokens_held(), kContextTokens);
  EXPECT_EQ(result.ids, fresh_ids(request(36, 5)));
  EXPECT_EQ(generate(session, request(kContextTokens, 0)).ids.size(), 1U);
}

// A prompt after which greedy decoding comes to token 1 within the context.
std::optional<GenerationRequest> ending_prompt(Session& session, const GenerationRequest& like) {
  for (int32_t first = 0; first < static_cast<int32_t>(kVocab); ++first) {
    GenerationRequest made = like;
    made.context_ids = {first, 3};
    const auto result = session.generate(made);
    if (!result) return std::nullopt;
    const auto end = std::find(result->ids.begin(), result->ids.end(), 1);
    if (end != result->ids.end() && end != result->ids.begin()) return made;
  }
  return std::nullopt;
}

TEST_F(SessionTest, TheTokenThatEndsTheTextIsCountedButNotReturned) {
  Session session = new_session();
  auto made = ending_prompt(session, request(2, 30));
  ASSERT_TRUE(made.has_value()) << "no prompt of two tokens ends its text";
  const auto through = generate(session, *made).ids;
  const auto end = std::find(through.begin(), through.end(), 1);
  made->stop_at_end_of_text = true;
  std::vector<int32_t> seen;
  made->on_token = [&](int32_t id) {
    seen.push_back(id);
    return true;
  };
  const auto result = generate(session, *made);
  EXPECT_EQ(result.finish, FinishReason::kEndOfText);
  EXPECT_EQ(result.ids, std::vector<int32_t>(through.begin(), end));
  EXPECT_EQ(seen, result.ids);
  EXPECT_EQ(result.stats.new_tokens, result.ids.size() + 1);
}

TEST_F(SessionTest, TheSameSeedGivesTheSameText) {
  GenerationRequest made = request(10, 12);
  made.sampling.temperature = 1.5;
  made.sampling.seed = 3;
  const auto first = fresh_ids(made);
  EXPECT_EQ(fresh_ids(made), first);
  made.sampling.seed = 4;
  EXPECT_NE(fresh_ids(made), first);
}

TEST_F(SessionTest, ARefusedRequestLeavesTheSessionAsItWas) {
  Session session = new_session();
  const auto first = generate(session, request(10, 3));
  const auto refused = [&](const GenerationRequest& made, ErrorCode code, const std::string& part) {
    const auto result = session.generate(made);
    ASSERT_FALSE(result.has_value()) << part;
    EXPECT_EQ(result.error().code, code);
    EXPECT_THAT(result.error().message, HasSubstr(part));
    EXPECT_EQ(session.tokens_held(), 12U);
  };
  refused(request(0, 3), ErrorCode::kInvalidArgument, "the prompt is empty");
  refused(request(kContextTokens + 1, 3), ErrorCode::kOutOfBudget,
          "the prompt has 41 tokens and the context holds 40");
  GenerationRequest wrong = request(20, 3);
  wrong.context_ids[17] = static_cast<int32_t>(kVocab);
  refused(wrong, ErrorCode::kInvalidArgument, "token id 256 is outside the vocabulary of 256");
  wrong.context_ids[17] = -1;
  refused(wrong, ErrorCode::kInvalidArgument, "token id -1");
  wrong = request(20, 3);
  wrong.sampling.top_p = 0;
  refused(wrong, ErrorCode::kInvalidArgument, "top-p is 0");
  GenerationRequest further = request(10, 3);
  further.context_ids.insert(further.context_ids.end(), first.ids.begin(), first.ids.end());
  const auto more = generate(session, further);
  EXPECT_EQ(more.stats.reused_tokens, 12U);
  EXPECT_EQ(more.ids, fresh_ids(further));
}

TEST_F(SessionTest, ClearForgets) {
  Session session = new_session();
  const auto first = generate(session, request(10, 3));
  session.clear();
  EXPECT_EQ(session.tokens_held(), 0U);
  const auto again = generate(session, request(10, 3));
  EXPECT_EQ(again.stats.reused_tokens, 0U);
  EXPECT_EQ(again.ids, first.ids);
}

TEST_F(SessionTest, SessionsOfOneEngineTakeTurnsUndisturbed) {
  Session one = new_session();
  Session other = new_session();
  GenerationRequest first = request(10, 4);
  const auto begun = generate(one, first);
  generate(other, request(23, 9));
  first.context_ids.insert(first.context_ids.end(), begun.ids.begin(), begun.ids.end());
  EXPECT_EQ(generate(one, first).ids, fresh_ids(first));
}

}  // namespace
}  // namespace sluice
