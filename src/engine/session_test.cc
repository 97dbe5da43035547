#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <stop_token>

#include "model/forward_context.h"
#include "sluice/engine.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kContextTokens = 40;
constexpr size_t kVocabTokens = 256;

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
    for (size_t i = 0; i < tokens; ++i)
      made.context_ids.push_back(static_cast<int32_t>(i * 31 % kVocabTokens));
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
  // By the thirds of its chunks: there are three layers.
  EXPECT_EQ(prefilled, (std::vector<uint64_t>{2, 5, 8, 10, 13, 16, 17, 18, 20}));
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

// What new tokens were chosen from.
GenerationRequest noting_logits(GenerationRequest request, std::vector<float>& logits) {
  request.on_logits = [&](std::span<const float> row) {
    logits.insert(logits.end(), row.begin(), row.end());
  };
  return request;
}

// Notes the last layer that looked at a token.
class LastLayer final : public ForwardObserver {
 public:
  void on_streams(uint32_t layer, uint64_t position, std::span<const float>) override {
    layers_of[position] = layer + 1;
  }
  std::map<uint64_t, uint32_t> layers_of;
};

// 36 tokens are taken in as 8, 8, 8, 8 and 4, and pass the window of 8 and close blocks of 4.
TEST_F(SessionTest, CancelledBetweenTheLayersOfAChunkItGoesOnFromBeforeTheChunk) {
  std::vector<float> expected, logits;
  const auto fresh = fresh_ids(noting_logits(request(36, 4), expected));
  for (uint64_t chunk = 0; chunk < 36; chunk += 8) {
    const uint64_t tokens = std::min<uint64_t>(8, 36 - chunk);
    for (const uint32_t layers : {1U, 2U}) {
      Session session = new_session();
      std::stop_source source;
      LastLayer observer;
      GenerationRequest made = request(36, 4);
      made.cancel = source.get_token();
      made.observer = &observer;
      made.on_prefill = [&](uint64_t done, uint64_t) {
        if (done == chunk + tokens * layers / 3) source.request_stop();
      };
      const auto cancelled = generate(session, made);
      EXPECT_EQ(cancelled.finish, FinishReason::kCancelled);
      EXPECT_TRUE(cancelled.ids.empty());
      EXPECT_EQ(observer.layers_of.size(), chunk + tokens);
      EXPECT_EQ(observer.layers_of[chunk], layers);
      EXPECT_EQ(session.tokens_held(), chunk);
      EXPECT_EQ(session.ids_held().size(), chunk);
      logits.clear();
      const auto resumed = generate(session, noting_logits(request(36, 4), logits));
      EXPECT_EQ(resumed.stats.reused_tokens, chunk);
      EXPECT_EQ(resumed.ids, fresh) << chunk << ", " << layers;
      EXPECT_EQ(logits, expected) << chunk << ", " << layers;
    }
  }
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
  for (int32_t first = 0; first < static_cast<int32_t>(kVocabTokens); ++first) {
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
  wrong.context_ids[17] = static_cast<int32_t>(kVocabTokens);
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

TEST_F(SessionTest, ReusableTokensAreThoseOfAProperPrefix) {
  Session session = new_session();
  EXPECT_EQ(session.reusable_tokens(std::vector<int32_t>{1}), 0U);
  const auto context = request(10, 1).context_ids;
  generate(session, request(10, 1));
  const auto reusable = [&](std::vector<int32_t> ids) { return session.reusable_tokens(ids); };
  EXPECT_EQ(reusable(request(11, 1).context_ids), 10U);
  EXPECT_EQ(reusable(context), 0U);  // nothing to take in: no logits
  EXPECT_EQ(reusable(request(9, 1).context_ids), 0U);
  EXPECT_EQ(reusable({}), 0U);
  auto other = request(11, 1).context_ids;
  other[3] = 9;
  EXPECT_EQ(reusable(other), 0U);
}

// Prompts of 100 tokens and more, after which a session can go back to their ends.
class PromptKeepingSession : public ::testing::Test {
 protected:
  static EngineOptions options(bool keep_prompts) {
    EngineOptions made = small_engine();
    made.context_tokens = 400;
    made.chunk_tokens = 40;
    made.keep_prompts = keep_prompts;
    return made;
  }
  static GenerationRequest request(size_t tokens, int32_t last) {
    GenerationRequest made;
    for (size_t i = 0; i < tokens; ++i)
      made.context_ids.push_back(static_cast<int32_t>(i * i * 31 % kVocabTokens));
    made.context_ids.back() = last;
    made.max_new_tokens = 9;
    made.sampling.temperature = 0;
    made.stop_at_end_of_text = false;
    return made;
  }
  GenerationResult generate(const GenerationRequest& made) { return session_.generate(made).value(); }
  std::vector<int32_t> fresh_ids(const GenerationRequest& made) {
    return std::move(plain_->new_session().value()).generate(made)->ids;
  }

  std::unique_ptr<Engine> engine_ = std::move(Engine::open(options(true)).value());
  std::unique_ptr<Engine> plain_ = std::move(Engine::open(options(false)).value());
  Session session_ = std::move(engine_->new_session().value());
};

TEST_F(PromptKeepingSession, AnAnswerIsTriedAgainFromThePromptsLastToken) {
  const auto first = generate(request(300, 7));
  EXPECT_EQ(first.ids, fresh_ids(request(300, 7)));
  for (const int32_t last : {7, 8, 7}) {
    EXPECT_EQ(session_.reusable_tokens(request(300, last).context_ids), 299U);
    const auto again = generate(request(300, last));
    EXPECT_EQ(again.stats.reused_tokens, 299U);
    EXPECT_EQ(again.ids, fresh_ids(request(300, last)));
  }
}

TEST_F(PromptKeepingSession, AnAnswerThatIsNotSentAgainIsForgotten) {
  generate(request(129, 7));
  auto next = request(250, 3);
  std::copy_n(request(129, 5).context_ids.begin(), 129, next.context_ids.begin());
  const auto second = generate(next);
  EXPECT_EQ(second.stats.reused_tokens, 128U);
  EXPECT_EQ(second.ids, fresh_ids(next));
  EXPECT_EQ(session_.reusable_tokens(next.context_ids), 249U);
}

TEST_F(PromptKeepingSession, AShortTurnLeavesTheEndOfTheLongOneBefore) {
  const auto first = generate(request(200, 7));
  auto next = request(200, 7);
  next.context_ids.insert(next.context_ids.end(), first.ids.begin(), first.ids.end());
  next.context_ids.push_back(11);
  EXPECT_EQ(generate(next).stats.reused_tokens, 208U);  // goes on from the answer
  EXPECT_EQ(session_.reusable_tokens(next.context_ids), 199U);
  EXPECT_EQ(generate(next).ids, fresh_ids(next));
}

TEST_F(PromptKeepingSession, ACancelledPromptIsGoneOnWith) {
  std::stop_source source;
  auto made = request(300, 7);
  made.cancel = source.get_token();
  made.on_prefill = [&](uint64_t done, uint64_t) {
    if (done == 80) source.request_stop();
  };
  EXPECT_EQ(generate(made).finish, FinishReason::kCancelled);
  const auto again = generate(request(300, 7));
  EXPECT_EQ(again.stats.reused_tokens, 80U);
  EXPECT_EQ(again.ids, fresh_ids(request(300, 7)));
  session_.clear();
  EXPECT_EQ(session_.reusable_tokens(made.context_ids), 0U);
}

TEST_F(PromptKeepingSession, APromptCancelledBetweenLayersLeavesTheEndOfTheOneBefore) {
  generate(request(129, 7));
  std::stop_source source;
  auto next = request(250, 3);
  std::copy_n(request(129, 5).context_ids.begin(), 129, next.context_ids.begin());
  next.cancel = source.get_token();
  next.on_prefill = [&](uint64_t done, uint64_t) {
    if (done == 128 + 40 + 13) source.request_stop();
  };
  EXPECT_EQ(generate(next).finish, FinishReason::kCancelled);
  EXPECT_EQ(session_.tokens_held(), 168U);
  EXPECT_EQ(session_.reusable_tokens(request(129, 7).context_ids), 128U);
  next.cancel = {};
  EXPECT_EQ(generate(next).ids, fresh_ids(next));
  EXPECT_EQ(generate(request(129, 7)).ids, fresh_ids(request(129, 7)));
}

class SavedSession : public SessionTest {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice_session_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  std::filesystem::path folder_;
};

TEST_F(SavedSession, GoesOnWhereItWasSaved) {
  Session session = new_session();
  GenerationRequest made = request(13, 5);
  const auto first = generate(session, made);
  ASSERT_TRUE(session.save(folder_ / "talk"));
  ASSERT_TRUE(session.save(folder_ / "talk"));  // over the first
  Session other = new_session();
  generate(other, request(23, 9));
  const Status restored = other.restore(folder_ / "talk");
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_TRUE(std::ranges::equal(other.ids_held(), session.ids_held()));
  made.context_ids.insert(made.context_ids.end(), first.ids.begin(), first.ids.end());
  made.context_ids.insert(made.context_ids.end(), {9, 8, 7});
  const auto second = generate(other, made);
  EXPECT_EQ(second.stats.reused_tokens, 17U);
  EXPECT_EQ(second.ids, fresh_ids(made));
  ASSERT_TRUE(session.restore(folder_ / "talk"));  // and may be gone on with any number of times
  EXPECT_EQ(generate(session, made).ids, second.ids);
}

TEST_F(SavedSession, AnEmptyOneIsEmpty) {
  ASSERT_TRUE(new_session().save(folder_ / "talk"));
  Session session = new_session();
  generate(session, request(10, 3));
  ASSERT_TRUE(session.restore(folder_ / "talk"));
  EXPECT_EQ(session.tokens_held(), 0U);
  EXPECT_EQ(generate(session, request(10, 3)).ids, fresh_ids(request(10, 3)));
}

TEST_F(SavedSession, WhatDoesNotFitIsSaidAndLeavesTheSessionAsItWas) {
  Session session = new_session();
  generate(session, request(30, 5));
  ASSERT_TRUE(session.save(folder_ / "talk"));
  const auto refused = [&](Session& into, const char* name, ErrorCode code, const std::string& part) {
    const uint64_t held = into.tokens_held();
    const Status restored = into.restore(folder_ / name);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, code);
    EXPECT_THAT(restored.error().message, HasSubstr(part));
    EXPECT_THAT(restored.error().message, HasSubstr((folder_ / name).string()));
    EXPECT_EQ(into.tokens_held(), held);
  };
  refused(session, "none", ErrorCode::kNotFound, "");
  const std::string good = text_of(folder_ / "talk");
  put(folder_ / "short", good.substr(0, good.size() / 2));
  refused(session, "short", ErrorCode::kCorrupt, "cut short");
  put(folder_ / "other", "{\"messages\": []}");
  refused(session, "other", ErrorCode::kCorrupt, "no snapshot");
  std::string newer = good;
  newer[10] = 9;
  put(folder_ / "newer", newer);
  refused(session, "newer", ErrorCode::kUnsupported, "version 9");

  EngineOptions options = small_engine();
  options.context_tokens = 20;
  auto engine = std::move(Engine::open(options).value());
  Session small = std::move(engine->new_session().value());
  refused(small, "talk", ErrorCode::kOutOfBudget, "34 tokens");
  options = small_engine();
  options.numerics = Numerics::kExact;
  auto exact_engine = std::move(Engine::open(options).value());
  Session exact = std::move(exact_engine->new_session().value());
  refused(exact, "talk", ErrorCode::kInvalidArgument, "numerics fast");
}

// The same files again, with another date: nobody can tell what is in them.
TEST_F(SavedSession, AnotherCheckpointsIsRefused) {
  Session session = new_session();
  generate(session, request(10, 3));
  ASSERT_TRUE(session.save(folder_ / "talk"));
  for (const char* changed : {"model.safetensors", "config.json"}) {
    const auto copy = folder_ / changed / "model";
    std::filesystem::create_directories(copy);
    for (const char* name : {"model.safetensors", "config.json"}) {
      std::filesystem::copy(small_engine().model_folder / name, copy);
      const auto date = std::filesystem::last_write_time(small_engine().model_folder / name);
      std::filesystem::last_write_time(copy / name, date);
    }
    EngineOptions options = small_engine();
    options.model_folder = copy;
    {
      auto engine = std::move(Engine::open(options).value());
      const Status same = std::move(engine->new_session().value()).restore(folder_ / "talk");
      EXPECT_TRUE(same) << same.error().message;
    }
    std::filesystem::last_write_time(copy / changed, std::filesystem::file_time_type::clock::now());
    auto engine = std::move(Engine::open(options).value());
    const Status other = std::move(engine->new_session().value()).restore(folder_ / "talk");
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, HasSubstr("checkpoint"));
  }
}

TEST_F(SavedSession, DamageBeyondTheHeadEmptiesItAndTheNextRequestWorks) {
  Session session = new_session();
  generate(session, request(30, 5));
  ASSERT_TRUE(session.save(folder_ / "talk"));
  std::string bytes = text_of(folder_ / "talk");
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 4);
  put(folder_ / "talk", bytes);
  const Status restored = session.restore(folder_ / "talk");
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(session.tokens_held(), 0U);
  EXPECT_EQ(generate(session, request(10, 3)).ids, fresh_ids(request(10, 3)));
}

TEST_F(SavedSession, WhatCannotBeWrittenIsSaid) {
  Session session = new_session();
  const Status saved = session.save(folder_ / "no" / "folder");
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
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
