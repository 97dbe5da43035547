#include "engine/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"
#include "checkpoint/checkpoint.h"
#include "model/bind_weights.h"
#include "model/model.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kDenseBytes = 10'000'000;
constexpr uint64_t kUnknown = 0;
constexpr uint64_t kExperts = 9 * 64;  // tiny-v4: eight layers and an MTP layer

class MemoryPlanOfTinyV4 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto checkpoint = Checkpoint::open(SLUICE_SOURCE_DIR "/models/tiny-v4");
    ASSERT_TRUE(checkpoint.has_value());
    config_ = checkpoint->config();
    auto storage = ExpertStorage::locate(*checkpoint);
    ASSERT_TRUE(storage.has_value());
    catalog_ = storage->catalog();
  }

  static Result<MemoryPlan> plan(const EngineOptions& options, uint64_t available_bytes) {
    SLUICE_ASSIGN(const EngineSizes sizes, settle_sizes(options, config_));
    return plan_memory(options, sizes, config_, *catalog_, kDenseBytes, available_bytes);
  }

  static EngineOptions direct(std::string_view cache = "") {
    EngineOptions options;
    options.context_tokens = 4096;
    if (!cache.empty()) options.cache = CacheSize::parse(cache).value();
    return options;
  }

  static EngineOptions in_mode(StreamMode mode) {
    EngineOptions options = direct();
    options.stream = mode;
    return options;
  }

  // What is needed beside the slots, and one slot.
  static MemoryPlan parts() { return plan(in_mode(StreamMode::kMmap), kUnknown).value(); }

  static inline ModelConfig config_;
  static inline std::optional<ExpertCatalog> catalog_;
};

TEST_F(MemoryPlanOfTinyV4, CountsEveryPart) {
  const auto made = plan(direct("50%"), kUnknown);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->dense_bytes, kDenseBytes);
  EXPECT_EQ(made->kv_bytes,
            SequenceState::bytes_when_full(Model::state_shape(config_, RowFormat::kF32), 4096));
  EXPECT_GE(made->workspace_bytes, Model::workspace_bytes(config_, 512, Numerics::kExact));
  EXPECT_EQ(made->experts, kExperts);
  EXPECT_EQ(made->slots, kExperts / 2);
  EXPECT_EQ(made->experts_bytes, made->slots * made->slot_bytes);
  EXPECT_GE(made->slot_bytes, catalog_->expert_bytes(0));
  EXPECT_EQ(made->total_bytes(), made->dense_bytes + made->kv_bytes + made->workspace_bytes +
                                     made->program_bytes + made->experts_bytes);
}

TEST_F(MemoryPlanOfTinyV4, EverySessionHasItsPlace) {
  EngineOptions options = direct();
  options.cache = CacheSize{0, 50.0};
  const auto one = plan(options, kUnknown);
  options.sessions = 5;
  const auto five = plan(options, kUnknown);
  ASSERT_TRUE(one.has_value() && five.has_value());
  EXPECT_EQ(five->kv_bytes, 5 * one->kv_bytes);
  options.keep_prompts = true;
  const auto keeping = plan(options, kUnknown);
  EXPECT_EQ(keeping->kv_bytes - five->kv_bytes,
            5 * SequenceState::most_changing_bytes(Model::state_shape(config_, RowFormat::kF32)));
  EXPECT_EQ(five->workspace_bytes, one->workspace_bytes);  // they take turns
}

TEST_F(MemoryPlanOfTinyV4, WhatSharesAPassHasItsPlaceInIt) {
  EngineOptions options = direct("50%");
  options.sessions = 8;
  const auto one = plan(options, kUnknown);
  options.parallel = 8;
  const auto eight = plan(options, kUnknown);
  ASSERT_TRUE(one.has_value() && eight.has_value());
  // Logits of a token each, and where each was before a pass; rows of a pass are bounded by the chunk.
  const uint64_t before_bytes =
      SequenceState::most_changing_bytes(Model::state_shape(config_, RowFormat::kF32));
  EXPECT_EQ(eight->workspace_bytes,
            one->workspace_bytes + 7 * (config_.vocab_size * sizeof(float) + before_bytes));
  options.chunk_tokens = 3;
  EXPECT_GT(plan(options, kUnknown)->workspace_bytes, Model::workspace_bytes(config_, 8, Numerics::kExact));
}

TEST_F(MemoryPlanOfTinyV4, ACacheInBytesHoldsAsManySlotsAsFit) {
  const uint64_t slot_bytes = parts().slot_bytes;
  EngineOptions options = direct();
  options.cache = CacheSize{slot_bytes * 100 - 1, std::nullopt};
  EXPECT_EQ(plan(options, kUnknown)->slots, 99U);
  options.cache->bytes += 1;
  EXPECT_EQ(plan(options, kUnknown)->slots, 100U);
  options.cache->bytes = slot_bytes * 10000;  // more than there are experts
  EXPECT_EQ(plan(options, kUnknown)->slots, kExperts);
}

TEST_F(MemoryPlanOfTinyV4, ACacheInPercentIsAShareOfAllExperts) {
  EXPECT_EQ(plan(direct("100%"), kUnknown)->slots, kExperts);
  EXPECT_EQ(plan(direct("25%"), kUnknown)->slots, kExperts / 4);
  EXPECT_EQ(plan(direct("1.5%"), kUnknown)->slots, 8U);  // of 8.64
}

TEST_F(MemoryPlanOfTinyV4, ACacheBelowOneTokensExpertsIsRefusedWithTheLeastThatWorks) {
  const MemoryPlan known = parts();
  for (const char* cache : {"1%", "0.01%", "1KB", "0"}) {
    const auto refused = plan(direct(cache), kUnknown);
    ASSERT_FALSE(refused.has_value()) << cache;
    EXPECT_EQ(refused.error().code, ErrorCode::kOutOfBudget);
    EXPECT_THAT(refused.error().message, AllOf(HasSubstr("6 are the least"),
                                               HasSubstr("ask for " + format_bytes(6 * known.slot_bytes))));
  }
  EngineOptions least = direct();
  least.cache = CacheSize{6 * known.slot_bytes, std::nullopt};
  EXPECT_EQ(plan(least, kUnknown)->slots, 6U);
}

TEST_F(MemoryPlanOfTinyV4, WithoutACacheTakesWhatTheMachineHasLeft) {
  const MemoryPlan known = parts();
  const uint64_t others = known.total_bytes();
  // Nine tenths of it, less everything else.
  const uint64_t available = (others + 100 * known.slot_bytes) * 10 / 9 + 10;
  const auto made = plan(direct(), available);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->slots, 100U);
  EXPECT_EQ(made->available_bytes, available);
  EXPECT_EQ(plan(direct(), uint64_t{1} << 40)->slots, kExperts);
  EXPECT_EQ(plan(direct(), kUnknown)->slots, kExperts);
}

TEST_F(MemoryPlanOfTinyV4, WithoutACacheNeverTakesFewerThanWork) {
  const MemoryPlan known = parts();
  const uint64_t least_bytes = known.total_bytes() + 6 * known.slot_bytes;
  const auto tight = plan(direct(), least_bytes);
  ASSERT_TRUE(tight.has_value());
  EXPECT_EQ(tight->slots, 6U);
  const auto refused = plan(direct(), least_bytes - 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfBudget);
  EXPECT_THAT(refused.error().message,
              HasSubstr("mode direct works from " + format_bytes(least_bytes) + " on"));
}

TEST_F(MemoryPlanOfTinyV4, WhatDoesNotFitIsRefusedWithItsParts) {
  const auto refused = plan(direct("100%"), 30'000'000);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfBudget);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("10.0 MB dense weights"), HasSubstr("for a context of 4096 tokens"),
                    HasSubstr("for 576 expert slots"), HasSubstr("30.0 MB are available")));
}

TEST_F(MemoryPlanOfTinyV4, EveryModePlansItsOwnSlots) {
  EXPECT_EQ(plan(in_mode(StreamMode::kResident), kUnknown)->slots, kExperts);
  EXPECT_EQ(plan(in_mode(StreamMode::kMmap), kUnknown)->slots, 0U);
  EXPECT_EQ(plan(in_mode(StreamMode::kMmap), kUnknown)->experts_bytes, 0U);
  EngineOptions resident = in_mode(StreamMode::kResident);
  resident.cache = CacheSize{1, std::nullopt};  // direct mode's business
  EXPECT_EQ(plan(resident, kUnknown)->slots, kExperts);
  const MemoryPlan known = parts();
  const uint64_t needed = known.total_bytes() + kExperts * known.slot_bytes;
  EXPECT_TRUE(plan(in_mode(StreamMode::kResident), needed).has_value());
  const auto refused = plan(in_mode(StreamMode::kResident), needed - 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("mode resident works from " + format_bytes(needed) + " on"));
}

TEST_F(MemoryPlanOfTinyV4, SizesLeftToUsAreSettled) {
  EngineOptions options;
  const auto sizes = settle_sizes(options, config_);
  ASSERT_TRUE(sizes.has_value());
  EXPECT_EQ(sizes->context_tokens, 32768U);
  EXPECT_GE(sizes->threads, 1U);
  ModelConfig short_model = config_;
  short_model.max_position_embeddings = 1000;
  EXPECT_EQ(settle_sizes(options, short_model)->context_tokens, 1000U);
}

TEST_F(MemoryPlanOfTinyV4, AChunkLeftToUsGrowsWithTheMemoryAtHand) {
  const auto chunk = [&](EngineOptions options, uint64_t available_bytes) {
    const auto settled = settle_plan(options, config_, *catalog_, kDenseBytes, available_bytes);
    EXPECT_TRUE(settled.has_value());
    return settled ? settled->sizes.chunk_tokens : 0;
  };
  const auto workspace_bytes = [&](size_t chunk_tokens) {
    EngineOptions options = direct();
    options.chunk_tokens = chunk_tokens;
    return plan(options, 0)->workspace_bytes;
  };
  EXPECT_EQ(chunk(direct(), 24 * workspace_bytes(2048)), 2048U);
  EXPECT_EQ(chunk(direct(), 24 * workspace_bytes(2048) - 1), 1024U);
  EXPECT_EQ(chunk(direct(), 24 * workspace_bytes(1024) - 1), 512U);
  EXPECT_EQ(chunk(direct(), 0), 512U) << "what is at hand is not known";
  EngineOptions short_context = direct();
  short_context.context_tokens = 1500;
  EXPECT_EQ(chunk(short_context, 24 * workspace_bytes(2048)), 1024U);
  EngineOptions chosen = direct();
  chosen.chunk_tokens = 100;
  EXPECT_EQ(chunk(chosen, 24 * workspace_bytes(2048)), 100U);
}

TEST_F(MemoryPlanOfTinyV4, SizesOutsideTheirRangeAreRefused) {
  const auto refused = [&](void (*change)(EngineOptions&), const std::string& part) {
    EngineOptions options;
    change(options);
    const auto sizes = settle_sizes(options, config_);
    ASSERT_FALSE(sizes.has_value()) << part;
    EXPECT_EQ(sizes.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(sizes.error().message, HasSubstr(part));
  };
  refused([](EngineOptions& options) { options.context_tokens = (1 << 20) + 1; },
          "context of 1048577 tokens");
  refused([](EngineOptions& options) { options.chunk_tokens = 8193; }, "chunk of 8193 tokens");
  refused([](EngineOptions& options) { options.threads = 1025; }, "1025 threads");
  refused([](EngineOptions& options) { options.sessions = 0; }, "0 sessions");
  refused([](EngineOptions& options) { options.sessions = 1025; }, "1025 sessions");
  refused([](EngineOptions& options) { options.parallel = 0; }, "0 generations");
  refused([](EngineOptions& options) { options.parallel = 2; }, "2 generations");
  refused([](EngineOptions& options) { options.read_threads = 0; }, "0 read threads");
  refused([](EngineOptions& options) { options.read_threads = 1025; }, "1025 read threads");
}

TEST(CacheSize, IsBytesOrAShare) {
  EXPECT_EQ(CacheSize::parse("8GB")->bytes, 8'000'000'000U);
  EXPECT_EQ(CacheSize::parse("1.5GiB")->bytes, 3U << 29);
  EXPECT_FALSE(CacheSize::parse("8GB")->percent.has_value());
  EXPECT_EQ(CacheSize::parse("25%")->percent, 25.0);
  EXPECT_EQ(CacheSize::parse("0.5%")->percent, 0.5);
  EXPECT_EQ(CacheSize::parse("100%")->percent, 100.0);
}

TEST(CacheSize, AnythingElseIsRefusedAndQuoted) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text :
       {""sv, "%"sv, "0%"sv, "100.1%"sv, "-5%"sv, "+5%"sv, " 5%"sv, "5 %"sv, "0x10%"sv, "1e1%"sv, "nan%"sv,
        "inf%"sv, "1.2.3%"sv, ".%"sv, "25\0%"sv, "many"sv, "5%%"sv, "5GB%"sv}) {
    const auto size = CacheSize::parse(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(size.error().message, HasSubstr("\"" + std::string(text) + "\""));
  }
}

}  // namespace
}  // namespace sluice
