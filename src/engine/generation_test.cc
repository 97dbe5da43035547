#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>

#include "engine/stepper.h"
#include "sluice/engine.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DivideTokens, ATokenForWhoDecodesAndFairSharesForPrompts) {
  const auto divided = [](const std::vector<uint64_t>& wanted, size_t limit) {
    return divide_tokens(wanted, limit);
  };
  EXPECT_THAT(divided({1, 1, 1}, 64), ElementsAre(1, 1, 1));
  EXPECT_THAT(divided({1000}, 64), ElementsAre(64));
  EXPECT_THAT(divided({1000, 1, 1000}, 64), ElementsAre(32, 1, 32));
  EXPECT_THAT(divided({1000, 4, 1, 1000}, 64), ElementsAre(30, 4, 1, 30));
  EXPECT_THAT(divided({20, 3}, 64), ElementsAre(20, 3));
  EXPECT_THAT(divided({20, 20, 20}, 2), ElementsAre(1, 1, 1));  // nobody goes without
  EXPECT_THAT(divided({}, 2), ElementsAre());
}

constexpr size_t kVocab = 256;
constexpr size_t kParallel = 3;

class GenerationTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineOptions options;
    options.model_folder = SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16";
    options.context_tokens = 60;
    options.chunk_tokens = 8;
    options.threads = 1;
    options.sessions = kParallel + 1;
    options.parallel = kParallel;
    auto engine = Engine::open(options);
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static Session new_session() { return std::move(engine_->new_session().value()); }

  // Sampled, over the end of the text; different for every `seed`.
  static GenerationRequest request(size_t tokens, uint64_t max_new_tokens, uint64_t seed) {
    GenerationRequest made;
    for (size_t i = 0; i < tokens; ++i)
      made.context_ids.push_back(static_cast<int32_t>((i * 31 + seed * 7) % kVocab));
    made.max_new_tokens = max_new_tokens;
    made.sampling.temperature = 1.5;
    made.sampling.seed = seed;
    made.stop_at_end_of_text = false;
    return made;
  }

  static std::vector<int32_t> alone(const GenerationRequest& made) {
    Session session = new_session();
    return session.generate(made)->ids;
  }

  static Generation begin(Session& session, GenerationRequest made) {
    auto begun = Generation::begin(session, std::move(made));
    if (!begun) ADD_FAILURE() << begun.error().message;
    return std::move(*begun);
  }

  static StepFigures step(const std::vector<Generation*>& generations) {
    const auto figures = engine_->step(generations);
    if (!figures) ADD_FAILURE() << figures.error().message;
    return figures.value_or(StepFigures{});
  }

  static inline std::unique_ptr<Engine> engine_;
};

TEST_F(GenerationTest, WhoeverIsBesideItASeedGivesTheSameTokens) {
  const GenerationRequest first = request(20, 12, 1), second = request(3, 9, 2), third = request(33, 4, 3);
  Session sessions[] = {new_session(), new_session(), new_session()};
  Generation one = begin(sessions[0], first);
  Generation two = begin(sessions[1], second);
  for (int i = 0; i < 5; ++i) step({&one, &two});
  Generation three = begin(sessions[2], third);  // joins while the others decode
  while (!one.is_over() || !two.is_over() || !three.is_over()) step({&one, &two, &three});
  EXPECT_EQ(one.take_result()->ids, alone(first));
  EXPECT_EQ(two.take_result()->ids, alone(second));
  EXPECT_EQ(three.take_result()->ids, alone(third));
  EXPECT_EQ(step({&one, &two, &three}).sequences, 0U);
}

TEST_F(GenerationTest, APromptJoinsWithoutHoldingUpWhoDecodes) {
  Session sessions[] = {new_session(), new_session()};
  size_t tokens = 0;
  GenerationRequest decoding = request(2, 0, 1);
  decoding.on_token = [&](int32_t) {
    ++tokens;
    return true;
  };
  Generation one = begin(sessions[0], decoding);
  EXPECT_EQ(step({&one}).tokens, 2U);
  Generation two = begin(sessions[1], request(30, 1, 2));
  while (!two.is_over()) {
    const size_t before = tokens;
    const StepFigures figures = step({&one, &two});
    EXPECT_EQ(figures.sequences, 2U);
    EXPECT_LE(figures.tokens, 8U);  // what a pass is planned for
    EXPECT_EQ(tokens, before + 1);
  }
  EXPECT_EQ(two.take_result()->stats.prompt_tokens, 30U);
}

TEST_F(GenerationTest, WhoIsCancelledLeavesBeforeTheNextPassAndItsSessionGoesOn) {
  Session sessions[] = {new_session(), new_session()};
  std::stop_source source;
  GenerationRequest cancelled = request(20, 0, 1);
  cancelled.cancel = source.get_token();
  Generation one = begin(sessions[0], cancelled);
  Generation two = begin(sessions[1], request(5, 6, 2));
  step({&one, &two});
  source.request_stop();
  EXPECT_EQ(step({&one, &two}).sequences, 1U);
  ASSERT_TRUE(one.is_over());
  EXPECT_EQ(one.take_result()->finish, FinishReason::kCancelled);
  while (!two.is_over()) step({&two});
  EXPECT_EQ(two.take_result()->ids, alone(request(5, 6, 2)));
  EXPECT_GT(sessions[0].tokens_held(), 0U);
  EXPECT_EQ(sessions[0].generate(request(20, 3, 1))->ids, alone(request(20, 3, 1)));
}

TEST_F(GenerationTest, WhoIsCancelledLeavesALongPassAndItsSessionGoesOn) {
  for (const bool is_decoding : {false, true}) {
    Session sessions[] = {new_session(), new_session(), new_session()};
    std::stop_source source;
    GenerationRequest requests[] = {request(20, 5, 1), request(2, 9, 2), request(30, 4, 3)};
    requests[is_decoding ? 1 : 0].cancel = source.get_token();
    size_t passes = 0;
    requests[0].on_prefill = [&](uint64_t done, uint64_t) {
      if (passes == 2 && done < 20) source.request_stop();
    };
    Generation one = begin(sessions[0], requests[0]);
    Generation two = begin(sessions[1], requests[1]);
    Generation three = begin(sessions[2], requests[2]);
    const std::array all{&one, &two, &three};
    uint64_t held[3] = {};
    for (; passes < 3; ++passes) {
      for (size_t i = 0; i < 3; ++i) held[i] = sessions[i].tokens_held();
      EXPECT_EQ(step({all.begin(), all.end()}).sequences, 3U);
    }
    const size_t cancelled = is_decoding ? 1 : 0;
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(all[i]->is_over(), i == cancelled);
      EXPECT_EQ(sessions[i].tokens_held() == held[i], i == cancelled);
    }
    EXPECT_EQ(all[cancelled]->take_result()->finish, FinishReason::kCancelled);
    while (!std::ranges::all_of(all, [](const Generation* each) { return each->is_over(); }))
      step({all.begin(), all.end()});
    for (size_t i = 0; i < 3; ++i) {
      if (i == cancelled) continue;
      EXPECT_EQ(all[i]->take_result()->ids, alone(requests[i]));
    }
    // All that it holds, and a token more.
    GenerationRequest further = request(20, 3, 4);
    const auto ids = sessions[cancelled].ids_held();
    further.context_ids.assign(ids.begin(), ids.end());
    further.context_ids.push_back(7);
    const auto resumed = sessions[cancelled].generate(further);
    EXPECT_EQ(resumed->stats.reused_tokens, held[cancelled]);
    EXPECT_EQ(resumed->ids, alone(further));
  }
}

TEST_F(GenerationTest, ADroppedGenerationLeavesItsSessionUsable) {
  Session session = new_session();
  {
    Generation dropped = begin(session, request(20, 0, 1));
    for (int i = 0; i < 6; ++i) step({&dropped});
  }
  EXPECT_EQ(session.ids_held().size(), session.tokens_held());
  EXPECT_EQ(session.generate(request(20, 3, 1))->ids, alone(request(20, 3, 1)));
}

TEST_F(GenerationTest, MoreThanWerePlannedForAreRefused) {
  std::vector<Session> sessions;
  std::vector<Generation> generations;
  for (size_t i = 0; i <= kParallel; ++i) sessions.push_back(new_session());
  for (Session& session : sessions) generations.push_back(begin(session, request(3, 2, 1)));
  std::vector<Generation*> all;
  for (Generation& generation : generations) all.push_back(&generation);
  const auto refused = engine_->step(all);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("4 generations were given, 3 were planned"));
  all.pop_back();
  EXPECT_EQ(step(all).sequences, kParallel);
}

}  // namespace
}  // namespace sluice
