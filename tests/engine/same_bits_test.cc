// "Same bits": logits and tokens do not depend on where experts come from, on the cache, on threads or on the
// cut.
#include <gtest/gtest.h>

#include <utility>

#include "checkpoint/safetensors_testing.h"
#include "engine/engine_on_model.h"
#include "reference_files.h"

namespace sluice {
namespace {

using namespace testing;

// 150 tokens wrap tiny-v4's window of 64 twice, close a block of 128 and leave its indexer more blocks than
// it takes.
constexpr size_t kPromptTokens = 150;
constexpr size_t kNewTokens = kSanitized ? 6 : 32;
constexpr size_t kChunkTokens = 64;

class SameBits : public ::testing::Test {
 protected:
  // The baseline: all experts in memory, one thread; itself compared with the reference.
  static void SetUpTestSuite() {
    const auto cases = reference_cases(kTinyV4Reference / "reference.safetensors", config_of(kTinyV4));
    ASSERT_EQ(cases.size(), 3U);
    const ReferenceCase& medium = cases[1];
    ASSERT_EQ(medium.logits.rows, medium.ids.size());
    prompt_.assign(medium.ids.begin(), medium.ids.begin() + kPromptTokens);
    const auto loaded = load(options_for(kTinyV4, StreamMode::kResident));
    ASSERT_NE(loaded, nullptr);
    plan_ = loaded->plan;
    baseline_ = run_greedily(*loaded, prompt_, kChunkTokens, kNewTokens);
    ASSERT_TRUE(all_finite(baseline_.logits));
    double largest = 0;
    for (size_t i = 0; i < kPromptTokens * medium.logits.width; ++i) {
      largest = std::max(largest, std::abs(double{baseline_.logits[i]} - double{medium.logits.values[i]}));
    }
    ASSERT_LT(largest, 1e-4);  // logits of this model spread over several units
  }

  static void expect_baseline(const EngineOptions& options, const std::string& what,
                              size_t chunk_tokens = kChunkTokens, const ReaderWrapper& wrapper = {}) {
    const auto loaded = load(options, wrapper);
    ASSERT_NE(loaded, nullptr);
    expect_same_bits(run_greedily(*loaded, prompt_, chunk_tokens, kNewTokens), baseline_, what);
  }

  static inline std::vector<int32_t> prompt_;
  static inline MemoryPlan plan_;
  static inline GreedyRun baseline_;
};

TEST_F(SameBits, InEveryMode) {
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    expect_baseline(options_for(kTinyV4, mode), stream_mode_name(mode));
  }
}

TEST_F(SameBits, WithEverySizeOfCache) {
  for (const uint64_t slots :
       {uint64_t{6}, uint64_t{7}, plan_.experts / 4, plan_.experts / 2, plan_.experts}) {
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    options.cache = cache_of(slots, plan_);
    const auto loaded = load(options);
    ASSERT_NE(loaded, nullptr);
    ASSERT_EQ(loaded->plan.slots, slots);
    expect_same_bits(run_greedily(*loaded, prompt_, kChunkTokens, kNewTokens), baseline_,
                     std::to_string(slots) + " slots");
    const StreamCounters counters = loaded->store->counters();
    EXPECT_GT(counters.misses, 0U);
    EXPECT_EQ(counters.evictions == 0, slots == plan_.experts);
  }
}

TEST_F(SameBits, WithEveryKindOfPrefetch) {
  for (const PrefetchMode prefetch : {PrefetchMode::kOff, PrefetchMode::kCertain, PrefetchMode::kLikely}) {
    for (const uint64_t slots : {uint64_t{6}, uint64_t{40}, plan_.experts / 2}) {
      EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
      options.prefetch = prefetch;
      options.cache = cache_of(slots, plan_);
      expect_baseline(options, std::to_string(slots) + " slots");
    }
  }
}

TEST_F(SameBits, WithEveryPolicyColdAndWarm) {
  const TempFolder heat;
  for (const char* policy : {"lru", "decayed-frequency", "forecast"}) {
    for (const char* start : {" cold", " warm"}) {
      EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
      options.policy = policy;
      options.cache = cache_of(60, plan_);
      options.heat_folder = heat.path();
      expect_baseline(options, std::string(policy) + start);
    }
  }
}

TEST_F(SameBits, WithEveryReader) {
  for (const ReaderKind reader : {ReaderKind::kAuto, ReaderKind::kPread}) {
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    options.reader = reader;
    options.cache = cache_of(30, plan_);
    expect_baseline(options, reader == ReaderKind::kAuto ? "the machine's reader" : "pread");
  }
}

TEST_F(SameBits, WithEveryNumberOfThreads) {
  for (const size_t threads : {2U, 3U, 4U}) {
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    options.threads = threads;
    options.read_threads = threads == 3 ? 1 : 16;
    options.cache = cache_of(40, plan_);
    expect_baseline(options, std::to_string(threads) + " threads");
  }
}

TEST_F(SameBits, InChunksOfEverySize) {
  for (const size_t chunk_tokens : {1U, 7U, 150U}) {
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    options.chunk_tokens = chunk_tokens;
    options.cache = cache_of(6, plan_);
    expect_baseline(options, "chunks of " + std::to_string(chunk_tokens), chunk_tokens);
  }
}

TEST_F(SameBits, InWhateverOrderTheExpertsArrive) {
  for (const uint64_t seed : {1U, 2U}) {
    FaultInjector injector(kTinyV4);
    injector.on_reader = [seed](FaultyReader& reader) { reader.shuffle(seed); };
    EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
    options.cache = cache_of(100, plan_);
    expect_baseline(options, "shuffled reads", kChunkTokens, injector.wrapper());
  }
}

TEST_F(SameBits, ThroughSessions) {
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    EngineOptions options = options_for(kTinyV4, mode);
    options.chunk_tokens = 50;
    if (mode == StreamMode::kDirect) options.cache = cache_of(6, plan_);
    auto engine = engine_on_model(load(options));
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    auto session = (*engine)->new_session();
    ASSERT_TRUE(session.has_value());
    GenerationRequest request;
    request.context_ids = prompt_;
    request.max_new_tokens = kNewTokens;
    request.sampling.temperature = 0;
    request.stop_at_end_of_text = false;
    const auto result = session->generate(request);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->ids, baseline_.ids) << stream_mode_name(mode);
  }
}

// The same promise, where activations are rounded: every variant at once.
// With rows of 16 bits too.
class SameBitsInFastNumerics : public SameBits {
 protected:
  static void SetUpTestSuite() {
    SameBits::SetUpTestSuite();
    const auto loaded = load(fast_options(StreamMode::kResident));
    ASSERT_NE(loaded, nullptr);
    const GreedyRun exact =
        std::exchange(baseline_, run_greedily(*loaded, prompt_, kChunkTokens, kNewTokens));
    ASSERT_EQ(baseline_.ids, exact.ids);
    double largest = 0;
    for (size_t i = 0; i < exact.logits.size(); ++i)
      largest = std::max(largest, std::abs(double{baseline_.logits[i]} - double{exact.logits[i]}));
    ASSERT_GT(largest, 0);  // it is fast numerics
    ASSERT_LT(largest, 5e-2);
  }

  static EngineOptions fast_options(StreamMode mode) {
    EngineOptions options = options_for(kTinyV4, mode);
    options.numerics = Numerics::kFast;
    options.row_format = RowFormat::kF16;
    return options;
  }
};

TEST_F(SameBitsInFastNumerics, InEveryModeWithEveryNumberOfThreads) {
  expect_baseline(fast_options(StreamMode::kMmap), "mmap");
  for (const size_t threads : {2U, 3U}) {
    EngineOptions options = fast_options(StreamMode::kDirect);
    options.threads = threads;
    options.cache = cache_of(threads == 2 ? 6 : 100, plan_);
    expect_baseline(options, std::to_string(threads) + " threads");
  }
}

TEST_F(SameBitsInFastNumerics, InChunksOfEverySize) {
  for (const size_t chunk_tokens : {1U, 150U}) {
    EngineOptions options = fast_options(StreamMode::kResident);
    options.chunk_tokens = chunk_tokens;
    expect_baseline(options, "chunks of " + std::to_string(chunk_tokens), chunk_tokens);
  }
}

}  // namespace
}  // namespace sluice
