// "An error is an answer": reads that fail end a request with a message, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "checkpoint/safetensors_testing.h"
#include "engine/engine_on_model.h"
#include "engine_runs.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using namespace testing;

// Twelve greedy tokens after a prompt of forty.
GenerationRequest some_request() {
  GenerationRequest request;
  request.context_ids = some_prompt(40, 256);
  request.max_new_tokens = 12;
  request.sampling.temperature = 0;
  request.stop_at_end_of_text = false;
  return request;
}

// Calls `act` once, after so many new tokens.
void after_tokens(GenerationRequest& request, size_t tokens, std::function<void()> act) {
  request.on_token = [seen = size_t{0}, tokens, act = std::move(act)](int32_t) mutable {
    if (++seen == tokens) act();
    return true;
  };
}

// An error of a read names the expert, the file and the place in it.
void expect_read_error(const Result<GenerationResult>& result, const std::string& what) {
  ASSERT_FALSE(result.has_value()) << what;
  EXPECT_EQ(result.error().code, ErrorCode::kIo) << what;
  EXPECT_THAT(result.error().message,
              MatchesRegex(".*layer [0-9]+, expert [0-9]+: .*\\.safetensors: .*byte [0-9]+.*"))
      << what;
}

// An engine with the smallest cache, so that it always reads, and a reader that fails on demand.
class Faults : public ::testing::Test {
 protected:
  explicit Faults(PrefetchMode prefetch = PrefetchMode::kLikely, size_t parallel = 1) : injector_(folder()) {
    EngineOptions options = options_for(folder(), StreamMode::kDirect);
    options.prefetch = prefetch;
    options.chunk_tokens = 16;
    options.sessions = parallel;
    options.parallel = parallel;
    const auto plan = load(options_for(folder(), StreamMode::kMmap))->plan;
    options.cache = cache_of(6, plan);
    auto engine = engine_on_model(load(options, injector_.wrapper()));
    if (!engine) ADD_FAILURE() << engine.error().message;
    engine_ = std::move(*engine);
    auto session = engine_->new_session();
    expected_ids_ = session->generate(some_request())->ids;
  }

  static std::filesystem::path folder() { return kTinyV4; }
  Session new_session() { return std::move(engine_->new_session().value()); }

  // The session is empty, and the next request gives the same bits as if nothing had happened.
  void expect_recovery(Session& session, const std::string& what) const {
    EXPECT_EQ(session.tokens_held(), 0U) << what;
    const auto again = session.generate(some_request());
    ASSERT_TRUE(again.has_value()) << what << ": " << again.error().message;
    EXPECT_EQ(again->stats.reused_tokens, 0U);
    EXPECT_EQ(again->ids, expected_ids_) << what;
  }

  FaultInjector injector_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> expected_ids_;
};

// One of the next few reads fails this way.
using FailOne = void (FaultyReader::*)(uint64_t);
struct OneFault {
  const char* name;
  FailOne fail;
};

// Without guesses, whose failures are nobody's error: every read is one that somebody waits for.
class FaultsOfOneRead : public Faults, public ::testing::WithParamInterface<OneFault> {
 protected:
  FaultsOfOneRead() : Faults(PrefetchMode::kOff) {}
};
INSTANTIATE_TEST_SUITE_P(Faults, FaultsOfOneRead,
                         ::testing::Values(OneFault{"DeviceError", &FaultyReader::fail_op},
                                           OneFault{"ShortFile", &FaultyReader::shorten_op}),
                         [](const auto& each) { return each.param.name; });

TEST_P(FaultsOfOneRead, EndsAPrefillAndNothingElse) {
  Session session = new_session();
  // The first read, one in the middle, and one of the last chunk.
  for (const uint64_t ahead : {0U, 300U, 900U}) {
    (injector_.reader().*GetParam().fail)(injector_.reader().submitted() + ahead);
    GenerationRequest request = some_request();
    request.max_new_tokens = 1;
    expect_read_error(session.generate(request), "read " + std::to_string(ahead));
    expect_recovery(session, "read " + std::to_string(ahead));
  }
}

TEST_P(FaultsOfOneRead, EndsADecodeAndNothingElse) {
  Session session = new_session();
  GenerationRequest request = some_request();
  after_tokens(request, 5,
               [&] { (injector_.reader().*GetParam().fail)(injector_.reader().submitted() + 20); });
  expect_read_error(session.generate(request), GetParam().name);
  expect_recovery(session, GetParam().name);
  EXPECT_EQ(engine_->counters().failed_reads, 1U);
}

TEST_F(Faults, AFileThatVanishesInPrefillIsAnError) {
  Session session = new_session();
  GenerationRequest request = some_request();
  request.on_prefill = [&](uint64_t done, uint64_t) {
    if (done == 16) injector_.vanish_files();
  };
  expect_read_error(session.generate(request), "vanished");
  expect_read_error(session.generate(request), "still vanished");
  injector_.restore_files();
  expect_recovery(session, "restored");
}

TEST_F(Faults, AFileThatVanishesInDecodeIsAnError) {
  Session session = new_session();
  GenerationRequest request = some_request();
  after_tokens(request, 3, [&] { injector_.vanish_files(); });
  expect_read_error(session.generate(request), "vanished");
  injector_.restore_files();
  expect_recovery(session, "restored");
}

TEST_F(Faults, OtherSessionsDoNotNotice) {
  Session failing = new_session();
  Session other = new_session();
  GenerationRequest request = some_request();
  request.max_new_tokens = 6;
  const auto begun = other.generate(request);
  ASSERT_TRUE(begun.has_value());
  injector_.vanish_files();
  expect_read_error(failing.generate(some_request()), "vanished");
  injector_.restore_files();
  request.context_ids.insert(request.context_ids.end(), begun->ids.begin(), begun->ids.end());
  const auto resumed = other.generate(request);
  ASSERT_TRUE(resumed.has_value());
  EXPECT_EQ(resumed->stats.reused_tokens, 45U);
  std::vector<int32_t> ids = begun->ids;
  ids.insert(ids.end(), resumed->ids.begin(), resumed->ids.end());
  EXPECT_EQ(ids, expected_ids_);
}

// Without guesses: every read is one that somebody waits for.
class FaultsTogether : public Faults {
 protected:
  FaultsTogether() : Faults(PrefetchMode::kOff, 2) {}
};

TEST_F(FaultsTogether, AFailedReadEndsTheGenerationThatNeededItAndTheOtherGoesOn) {
  size_t survived = 0;
  GenerationRequest short_one = some_request();
  short_one.context_ids.resize(3);
  Session sessions[] = {new_session(), new_session()};
  const std::vector<int32_t> expected[] = {expected_ids_, sessions[1].generate(short_one)->ids};
  for (const uint64_t ahead : {10U, 40U}) {
    for (Session& session : sessions) session.clear();
    std::vector<Generation> generations;
    generations.push_back(std::move(*Generation::begin(sessions[0], some_request())));
    generations.push_back(std::move(*Generation::begin(sessions[1], short_one)));
    const std::array both{&generations[0], &generations[1]};
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(engine_->step(both).has_value());
    injector_.reader().fail_op(injector_.reader().submitted() + ahead);
    while (!both[0]->is_over() || !both[1]->is_over()) ASSERT_TRUE(engine_->step(both).has_value());
    size_t failed = 0;
    for (size_t i = 0; i < 2; ++i) {
      const auto result = generations[i].take_result();
      if (result) {
        ++survived;
        EXPECT_EQ(result->ids, expected[i]) << ahead;
        continue;
      }
      ++failed;
      expect_read_error(result, "generation " + std::to_string(i));
      EXPECT_EQ(sessions[i].tokens_held(), 0U);
    }
    EXPECT_GE(failed, 1U) << ahead;
  }
  EXPECT_GT(survived, 0U);
  sessions[0].clear();
  expect_recovery(sessions[0], "afterwards");
}

TEST_F(Faults, ADeviceThatFailsNowAndThenGivesErrorsOrTheRightText) {
  Session session = new_session();
  size_t failures = 0;
  size_t successes = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    injector_.reader().fail_randomly(seed, 0.0005);
    const auto result = session.generate(some_request());
    injector_.reader().fail_randomly(0, 0);
    if (result) {
      ++successes;
      EXPECT_EQ(result->ids, expected_ids_);
      session.clear();
    } else {
      ++failures;
      expect_read_error(result, "seed " + std::to_string(seed));
    }
  }
  EXPECT_GT(failures, 0U);
  EXPECT_GT(successes, 0U);
  session.clear();
  expect_recovery(session, "after all");
}

TEST(FaultsAtLoad, AReadThatFailsEndsTheLoadingOfAllExperts) {
  FaultInjector injector(kTinyV4);
  injector.on_reader = [](FaultyReader& reader) { reader.fail_op(100); };
  const auto loaded = LoadedModel::load(options_for(kTinyV4, StreamMode::kResident), injector.wrapper());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kIo);
  EXPECT_THAT(loaded.error().message,
              AllOf(HasSubstr("layer "), HasSubstr("expert "), HasSubstr(".safetensors")));
}

// A copy of a model whose one shard is really cut short while the engine runs, and made whole again.
class TruncatedShard : public ::testing::TestWithParam<StreamMode> {
 protected:
  TruncatedShard() {
    for (const char* name : {"config.json", "model.safetensors"}) {
      std::filesystem::copy_file(kVariants / "variant-pro" / name, folder_.path() / name);
    }
    shard_ = folder_.path() / "model.safetensors";
    bytes_ = read_whole(shard_);
  }

  void truncate() const { std::filesystem::resize_file(shard_, 4096); }
  void restore() const {
    std::ofstream out(shard_, std::ios::binary | std::ios::in | std::ios::out);
    out << bytes_;
  }

  TempFolder folder_;
  std::filesystem::path shard_;
  std::string bytes_;
};
INSTANTIATE_TEST_SUITE_P(Faults, TruncatedShard, ::testing::Values(StreamMode::kMmap, StreamMode::kDirect),
                         [](const auto& each) { return std::string(stream_mode_name(each.param)); });

TEST_P(TruncatedShard, IsAnErrorUntilItIsWholeAgain) {
  EngineOptions options = options_for(folder_.path(), GetParam());
  options.chunk_tokens = 16;
  if (GetParam() == StreamMode::kDirect) options.cache = CacheSize{0, 5.0};
  auto engine = Engine::open(options);
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  auto session = (*engine)->new_session();
  ASSERT_TRUE(session.has_value());
  const auto expected = session->generate(some_request());
  ASSERT_TRUE(expected.has_value()) << expected.error().message;

  truncate();
  expect_read_error(session->generate(some_request()), "prefill");
  EXPECT_EQ(session->tokens_held(), 0U);
  restore();
  GenerationRequest request = some_request();
  after_tokens(request, 4, [&] { truncate(); });
  expect_read_error(session->generate(request), "decode");
  EXPECT_EQ(session->tokens_held(), 0U);
  restore();
  const auto again = session->generate(some_request());
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->ids, expected->ids);
}

}  // namespace
}  // namespace sluice
