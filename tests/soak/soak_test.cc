// Random prompts, cancellations and faults, one engine after the other: no wrong bit, no error but the reads'
// own, no request that does not end. `./dev soak` runs it for minutes under the sanitizers, which look for
// leaks, races and bad accesses; as a test it makes a few rounds, so that it does not rot.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "engine/engine_on_model.h"
#include "engine_runs.h"

namespace sluice {
namespace {

using namespace testing;
using Clock = std::chrono::steady_clock;

constexpr size_t kPrompts = 6;
constexpr size_t kNewTokens = 16;
constexpr size_t kRequestsPerEngine = 12;
constexpr uint64_t kRoundsAsATest = 2;

class Soak {
 public:
  Soak() {
    const auto loaded = load(options_for(kTinyV4, StreamMode::kResident));
    plan_ = loaded->plan;
    for (size_t i = 0; i < kPrompts; ++i) {
      const auto whole = some_prompt(200, 256);
      const size_t begin = 17 * i;
      prompts_.emplace_back(whole.begin() + static_cast<ptrdiff_t>(begin),
                            whole.begin() + static_cast<ptrdiff_t>(begin + 1 + 13 * i));
      expected_.push_back(run_greedily(*loaded, prompts_.back(), 64, kNewTokens).ids);
    }
  }

  // One engine with random options, and requests to it.
  void round(uint64_t seed) {
    SCOPED_TRACE("round " + std::to_string(seed));
    random_.seed(seed);
    FaultInjector injector(kTinyV4);
    const EngineOptions options = random_options();
    auto engine = engine_on_model(load(options, injector.wrapper()));
    ASSERT_TRUE(engine) << engine.error().message;
    std::vector<Session> sessions;
    for (int i = 0; i < 2; ++i) sessions.push_back((*engine)->new_session().value());
    for (size_t i = 0; i < kRequestsPerEngine && !::testing::Test::HasFailure(); ++i) {
      request(sessions[pick(sessions.size())], injector);
    }
    injector.reader().release();
  }

  uint64_t answered() const { return answered_; }
  uint64_t failed() const { return failed_; }
  uint64_t cancelled() const { return cancelled_; }

 private:
  size_t pick(size_t count) { return random_() % count; }

  EngineOptions random_options() {
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    const uint64_t slots[] = {6, 7, 20, plan_.experts / 4, plan_.experts};
    options.cache = cache_of(slots[pick(std::size(slots))], plan_);
    options.threads = 1 + pick(3);
    options.chunk_tokens = size_t{1} << pick(7);
    options.reader = pick(2) == 0 ? ReaderKind::kAuto : ReaderKind::kPread;
    const PrefetchMode modes[] = {PrefetchMode::kOff, PrefetchMode::kCertain, PrefetchMode::kLikely};
    options.prefetch = modes[pick(std::size(modes))];
    const char* policies[] = {"lru", "decayed-frequency", "forecast"};
    options.policy = policies[pick(std::size(policies))];
    return options;
  }

  // Something for the reads to suffer from.
  void disturb(FaultInjector& injector) {
    FaultyReader& reader = injector.reader();
    switch (pick(5)) {
      case 0:
        reader.fail_randomly(random_(), 0.001);
        break;
      case 1:
        reader.fail_op(reader.submitted() + pick(400));
        break;
      case 2:
        reader.shorten_op(reader.submitted() + pick(400));
        break;
      case 3:
        reader.shuffle(random_());
        break;
      default:
        break;
    }
  }

  void request(Session& session, FaultInjector& injector) {
    const size_t which = pick(prompts_.size());
    GenerationRequest request;
    request.context_ids = prompts_[which];
    request.max_new_tokens = kNewTokens;
    request.sampling.temperature = 0;
    request.stop_at_end_of_text = false;
    const size_t stop_after = pick(3) == 0 ? 1 + pick(kNewTokens) : kNewTokens + 1;
    std::vector<int32_t> seen;
    request.on_token = [&](int32_t id) {
      seen.push_back(id);
      return seen.size() < stop_after;
    };
    std::stop_source cancel;
    request.cancel = cancel.get_token();
    disturb(injector);
    std::jthread canceller;
    if (pick(4) == 0) canceller = std::jthread([&] { cancel.request_stop(); });
    const auto result = session.generate(request);
    canceller = {};
    injector.reader().fail_randomly(0, 0);
    check(result, seen, expected_[which]);
  }

  void check(const Result<GenerationResult>& result, const std::vector<int32_t>& seen,
             const std::vector<int32_t>& expected) {
    ASSERT_LE(seen.size(), expected.size());
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), expected.begin())) << "a wrong token";
    if (!result) {
      ++failed_;
      EXPECT_EQ(result.error().code, ErrorCode::kIo) << result.error().message;
    } else if (result->finish == FinishReason::kCancelled) {
      ++cancelled_;
    } else {
      ++answered_;
      EXPECT_EQ(seen.size(), expected.size());
    }
  }

  MemoryPlan plan_;
  std::vector<std::vector<int32_t>> prompts_;
  std::vector<std::vector<int32_t>> expected_;  // of each prompt
  std::mt19937_64 random_;
  uint64_t answered_ = 0;
  uint64_t failed_ = 0;
  uint64_t cancelled_ = 0;
};

TEST(Soak, EveryRequestEndsWithItsTokensOrItsOwnError) {
  const char* asked = std::getenv("SLUICE_SOAK_SECONDS");
  const auto end = Clock::now() + std::chrono::seconds(asked == nullptr ? 0 : std::atoll(asked));
  const uint64_t first =
      asked == nullptr ? 1 : static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  Soak soak;
  uint64_t rounds = 0;
  while ((rounds < kRoundsAsATest || Clock::now() < end) && !HasFailure()) soak.round(first + rounds++);
  std::printf("%llu rounds from seed %llu: %llu answered, %llu cancelled, %llu failed as they should\n",
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(soak.answered()),
              static_cast<unsigned long long>(soak.cancelled()),
              static_cast<unsigned long long>(soak.failed()));
  EXPECT_GT(soak.answered(), 0U);
}

}  // namespace
}  // namespace sluice
