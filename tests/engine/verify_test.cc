// What `verify` says about models that are right, and about references that are wrong.
#include "engine/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include "kernels/simd_target.h"
#include "reference_files.h"

namespace sluice {
namespace {

using namespace testing;

std::set<std::string> quantities(const VerifyReport& report) {
  std::set<std::string> names;
  for (const VerifyRow& row : report.rows) names.insert(row.quantity);
  return names;
}

std::set<std::string> schedules(const VerifyReport& report) {
  std::set<std::string> names;
  for (const VerifyRow& row : report.rows) names.insert(row.schedule);
  return names;
}

class EveryVariant : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Verify, EveryVariant, ::testing::Values("variant-bf16", "variant-pro"));

TEST_P(EveryVariant, IsWithinBoundsInEverySchedule) {
  const auto folder = kVariants / GetParam();
  const auto cases = reference_cases(folder / "reference.safetensors", config_of(folder));
  const auto loaded = load_for(folder, cases);
  ASSERT_NE(loaded, nullptr);
  const VerifyReport report = verify_or_fail(*loaded, cases, {});
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
  EXPECT_EQ(quantities(report), (std::set<std::string>{"experts", "logits", "greedy logits"}));
  EXPECT_TRUE(schedules(report).contains("whole"));
  for (const char* schedule : {"chunks of 1", "chunks of 7", "chunks of 64", "prefill 210 + decode"}) {
    EXPECT_TRUE(schedules(report).contains(schedule)) << schedule;
  }
}

TEST(FastNumerics, AreWithinAHundredTimesTheBounds) {
  auto cases = reference_cases(kTinyV4Reference / "reference.safetensors", config_of(kTinyV4));
  ASSERT_FALSE(cases.empty());
  cases.resize(1);
  EngineOptions options = options_for(kTinyV4, StreamMode::kResident);
  options.chunk_tokens = verify_chunk_tokens(cases);
  options.numerics = Numerics::kFast;
  const auto loaded = load(options);
  ASSERT_NE(loaded, nullptr);
  const VerifyReport report = verify_or_fail(*loaded, cases, {});
  EXPECT_EQ(report.numerics, Numerics::kFast);
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
  EXPECT_EQ(error_bounds(Numerics::kFast).mean, 100 * error_bounds(Numerics::kExact).mean);
  EXPECT_EQ(error_bounds(Numerics::kFast).largest, 100 * error_bounds(Numerics::kExact).largest);
}

// Blocks that variant-pro's indexers choose for two tokens are nearer than fast numerics' rounding. Were
// exact numerics' not taken there, experts after them would differ.
TEST(FastNumerics, FollowExactOnesInATieOfBlocks) {
  const auto folder = kVariants / "variant-pro";
  const auto cases = reference_cases(folder / "reference.safetensors", config_of(folder));
  EngineOptions options = options_for(folder, StreamMode::kResident);
  options.chunk_tokens = verify_chunk_tokens(cases);
  options.numerics = Numerics::kFast;
  const auto loaded = load(options);
  ASSERT_NE(loaded, nullptr);
  const VerifyReport report = verify_or_fail(*loaded, cases, {});
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
  EXPECT_EQ(loaded->model->numerics(), Numerics::kFast) << "as before";
  for (const VerifyRow& row : report.rows) {
    EXPECT_EQ(row.near > 0, row.quantity == "experts" || row.quantity == "index blocks") << row.quantity;
    EXPECT_LE(row.ties, row.near) << row.schedule;
  }
  const bool has_ties = report.ties() > 0;
  EXPECT_TRUE(has_ties || uses_amx()) << "tiles' rounding decides as exact numerics do";
}

TEST(ExactNumerics, HaveNoBlocksToFollow) {
  const auto folder = kVariants / "variant-pro";
  const auto cases = reference_cases(folder / "reference.safetensors", config_of(folder));
  const auto loaded = load_for(folder, cases);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(verify_or_fail(*loaded, cases, {}).near(), 0U);
}

// How nearly a router chose otherwise.
struct RecordedChoice {
  uint32_t layer = 0;
  uint64_t position = 0;
  uint32_t worst_taken = 0;
  uint32_t best_left = 0;
  double gap = 0;  // of their scores, in standard deviations of the token's
};

// Every choice that was made by scores.
class ChoiceRecorder : public ForwardObserver {
 public:
  explicit ChoiceRecorder(size_t experts_per_token) : k_(experts_per_token) {}

  void on_scores(uint32_t layer, uint64_t position, std::span<const float> scores) override {
    std::vector<uint32_t> ids(scores.size());
    std::iota(ids.begin(), ids.end(), 0U);
    std::ranges::sort(ids, std::greater(), [&](uint32_t id) { return scores[id]; });
    const double count = static_cast<double>(scores.size());
    const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / count;
    double squares = 0;
    for (const float score : scores) squares += (score - mean) * (score - mean);
    const double gap = double{scores[ids[k_ - 1]]} - double{scores[ids[k_]]};
    choices.push_back({layer, position, ids[k_ - 1], ids[k_], gap / std::sqrt(squares / count)});
  }

  std::vector<RecordedChoice> choices;

 private:
  size_t k_;
};

// The short case of tiny-v4, with a reference that chose otherwise once.
class OtherwiseChosen : public ::testing::Test {
 protected:
  void open(Numerics numerics) {
    tolerance_ = error_bounds(numerics).mean;
    cases_ = reference_cases(kTinyV4Reference / "reference.safetensors", config_of(kTinyV4));
    ASSERT_FALSE(cases_.empty());
    cases_.resize(1);
    EngineOptions options = options_for(kTinyV4, StreamMode::kResident);
    options.chunk_tokens = verify_chunk_tokens(cases_);
    options.numerics = numerics;
    loaded_ = load(options);
    ASSERT_NE(loaded_, nullptr);
    record_choices();
  }

  void record_choices() {
    Model& model = *loaded_->model;
    ChoiceRecorder recorder(model.config().num_experts_per_tok);
    auto state = SequenceState::create(model.state_shape(), cases_[0].ids.size());
    ASSERT_TRUE(state.has_value());
    std::vector<float> streams(cases_[0].ids.size() * model.streams_width());
    ASSERT_TRUE(model.extend(*state, cases_[0].ids, streams.data(), &recorder).has_value());
    choices_ = std::move(recorder.choices);
    std::ranges::sort(choices_, {}, &RecordedChoice::gap);
  }

  // The table's rows after the reference has chosen the best expert left instead of the worst one taken.
  // Layers behind it, which the reference computed from the other choice, are not compared.
  std::vector<VerifyRow> experts_rows(const RecordedChoice& choice) {
    auto cases = cases_;
    Table<int64_t>& experts = cases[0].layers[choice.layer].experts;
    const auto row = std::span(experts.values).subspan(choice.position * experts.width, experts.width);
    const auto place = std::ranges::find(row, int64_t{choice.worst_taken});
    EXPECT_NE(place, row.end());
    *place = choice.best_left;
    for (size_t layer = choice.layer + 1; layer < cases[0].layers.size(); ++layer)
      cases[0].layers[layer].experts = {};
    auto rows = verify_or_fail(*loaded_, cases, {}).rows;
    std::erase_if(rows, [](const VerifyRow& one) { return one.quantity != "experts"; });
    EXPECT_FALSE(rows.empty());
    return rows;
  }

  // The nearest choice that is too clear for a tie.
  RecordedChoice nearest_clear_one() const {
    const auto clear = std::ranges::upper_bound(choices_, tolerance_, {}, &RecordedChoice::gap);
    EXPECT_NE(clear, choices_.end());
    return *clear;
  }

  double tolerance_ = 0;
  std::vector<ReferenceCase> cases_;
  std::unique_ptr<LoadedModel> loaded_;
  std::vector<RecordedChoice> choices_;  // the nearest first
};

TEST_F(OtherwiseChosen, BeyondTheToleranceIsOutsideInBothNumerics) {
  for (const Numerics numerics : {Numerics::kExact, Numerics::kFast}) {
    open(numerics);
    const RecordedChoice choice = nearest_clear_one();
    ASSERT_LT(choice.gap, 10 * error_bounds(Numerics::kFast).mean);  // not clear by much
    for (const VerifyRow& row : experts_rows(choice)) {
      EXPECT_EQ(row.different, 1U) << row.schedule;
      EXPECT_EQ(row.ties, 0U) << row.schedule;
      EXPECT_FALSE(row.within) << row.schedule;
    }
  }
}

TEST_F(OtherwiseChosen, WithinTheToleranceOfFastNumericsIsATieThere) {
  open(Numerics::kFast);
  ASSERT_LT(choices_.front().gap, tolerance_);
  for (const VerifyRow& row : experts_rows(choices_.front())) {
    EXPECT_EQ(row.different, 0U) << row.schedule;
    EXPECT_EQ(row.ties, 1U) << row.schedule;
    EXPECT_GE(row.near, 1U) << row.schedule;
  }
}

TEST_F(OtherwiseChosen, ATieOfFastNumericsIsOutsideInExact) {
  open(Numerics::kExact);
  ASSERT_LT(choices_.front().gap, error_bounds(Numerics::kFast).mean);
  for (const VerifyRow& row : experts_rows(choices_.front())) {
    EXPECT_EQ(row.different, 1U) << row.schedule;
    EXPECT_EQ(row.ties, 0U) << row.schedule;
  }
}

// The short case of tiny-v4 alone, to be tampered with.
class ShortCase : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cases_ = reference_cases(kTinyV4Reference / "reference.safetensors", config_of(kTinyV4));
    ASSERT_FALSE(cases_.empty());
    cases_.resize(1);
    loaded_ = load_for(kTinyV4, cases_);
    ASSERT_NE(loaded_, nullptr);
  }
  static void TearDownTestSuite() { loaded_.reset(); }

  // The quantities outside their bounds after the case was changed; the report is within exactly when none of
  // those is bounded.
  static std::set<std::string> outside(const std::function<void(ReferenceCase&)>& tamper) {
    std::vector<ReferenceCase> tampered = cases_;
    tamper(tampered[0]);
    const VerifyReport report = verify_or_fail(*loaded_, tampered, {});
    std::set<std::string> names;
    bool bounded = false;
    for (const VerifyRow& row : report.rows) {
      if (row.within) continue;
      names.insert(row.quantity);
      bounded |= row.bounded;
    }
    EXPECT_EQ(report.within(), !bounded);
    return names;
  }

  static inline std::vector<ReferenceCase> cases_;
  static inline std::unique_ptr<LoadedModel> loaded_;
};

using Names = std::set<std::string>;

TEST_F(ShortCase, IsWithinBoundsInEveryQuantity) {
  const VerifyReport report = verify_or_fail(*loaded_, cases_, {});
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
  EXPECT_EQ(quantities(report), (Names{"experts", "index blocks", "routing weights", "attention", "streams",
                                       "logits", "MTP logits"}));
  EXPECT_EQ(schedules(report), (Names{"whole", "chunks of 1", "chunks of 7", "prefill 24 + decode"}));
}

TEST_F(ShortCase, OneWrongExpertIsOutside) {
  EXPECT_EQ(outside([](ReferenceCase& one) {
              int64_t& expert = one.layers[7].experts.values[47 * 6];
              expert = (expert + 1) % 64;
              // Not one of the others by chance.
              while (std::count(one.layers[7].experts.values.end() - 6, one.layers[7].experts.values.end(),
                                expert) > 1) {
                expert = (expert + 1) % 64;
              }
            }),
            (Names{"experts"}));
}

TEST_F(ShortCase, OneWrongLogitIsOutside) {
  EXPECT_EQ(outside([](ReferenceCase& one) { one.logits.values.back() += 0.1F; }), (Names{"logits"}));
}

TEST_F(ShortCase, LogitsThatAreAllALittleOffAreOutside) {
  // Each by less than the largest error allowed, all by more than the mean one.
  EXPECT_EQ(outside([](ReferenceCase& one) {
              for (float& logit : one.logits.values) logit *= 1.0002F;
            }),
            (Names{"logits"}));
}

TEST_F(ShortCase, AReferenceThatIsNoNumberIsOutside) {
  EXPECT_EQ(
      outside([](ReferenceCase& one) { one.logits.values[5] = std::numeric_limits<float>::quiet_NaN(); }),
      (Names{"logits"}));
}

TEST_F(ShortCase, OneWrongMtpLogitIsOutside) {
  EXPECT_EQ(outside([](ReferenceCase& one) { one.mtp_logits.values.front() += 0.1F; }),
            (Names{"MTP logits"}));
}

TEST_F(ShortCase, AnotherPromptIsOutside) {
  EXPECT_TRUE(outside([](ReferenceCase& one) { one.ids[0] = (one.ids[0] + 1) % 2048; }).contains("logits"));
}

TEST_F(ShortCase, QuantitiesForALookInsideDecideNothing) {
  const Names inside = {"attention", "index blocks", "routing weights", "streams"};
  EXPECT_EQ(outside([](ReferenceCase& one) {
              one.layers[0].weights.values[0] += 0.1F;
              one.layers[3].attention.values[0] += 10;
              one.layers[7].streams.values[0] += 10;
              one.layers[4].index_topk.values.back() = 0;
              one.layers[4].index_topk.values.front() = 0;
            }),
            inside);
}

TEST_F(ShortCase, NothingComparedIsNotWithin) {
  std::vector<ReferenceCase> bare(1);
  bare[0].name = "bare";
  bare[0].ids = cases_[0].ids;
  bare[0].layers.resize(cases_[0].layers.size());
  const VerifyReport report = verify_or_fail(*loaded_, bare, {});
  EXPECT_TRUE(report.rows.empty());
  EXPECT_FALSE(report.within());
}

TEST_F(ShortCase, AWrongGreedyTokenIsOutsideUnlessItWasAnybodys) {
  auto greedy = greedy_cases(loaded_->model->config());
  ASSERT_GT(greedy.size(), 2U);
  greedy = {greedy[2]};  // the shortest
  EXPECT_TRUE(verify_or_fail(*loaded_, {}, greedy).within());
  auto tampered = greedy;
  tampered[0].output_ids[2] ^= 1;
  const VerifyReport report = verify_or_fail(*loaded_, {}, tampered);
  EXPECT_FALSE(report.within());
  EXPECT_GE(report.rows[0].different, 1U);
  tampered[0].margins[2] = 0.001;  // then nothing is compared from there on
  EXPECT_TRUE(verify_or_fail(*loaded_, {}, tampered).within());
}

TEST(Verify, AWrongLogitOfTheGreedyContinuationIsOutside) {
  const auto folder = kVariants / "variant-bf16";
  auto cases = reference_cases(folder / "reference.safetensors", config_of(folder));
  ASSERT_EQ(cases.size(), 1U);
  cases[0].ids.resize(cases[0].greedy_prompt_tokens);  // the rest of the case has a test of its own
  cases[0].positions.clear();
  cases[0].layers.assign(cases[0].layers.size(), {});
  const auto loaded = load_for(folder, cases);
  ASSERT_NE(loaded, nullptr);
  EXPECT_TRUE(verify_or_fail(*loaded, cases, {}).within());
  cases[0].greedy_logits.values[700] += 0.1F;
  EXPECT_EQ(quantities(verify_or_fail(*loaded, cases, {})), (Names{"greedy logits"}));
  EXPECT_FALSE(verify_or_fail(*loaded, cases, {}).within());
}

TEST(Verify, MtpLogitsOfAModelWithoutMtpAreAnError) {
  const auto folder = kVariants / "variant-bf16";
  std::vector<ReferenceCase> cases(1);
  cases[0].name = "odd";
  cases[0].ids = {1, 2, 3};
  cases[0].layers.resize(3);
  cases[0].mtp_positions = {0};
  cases[0].mtp_logits = {1, 256, std::vector<float>(256)};
  const auto loaded = load_for(folder, cases);
  ASSERT_NE(loaded, nullptr);
  const auto report = verify(*loaded, cases, {}, {});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice
