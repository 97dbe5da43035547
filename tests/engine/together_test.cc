// Sequences that share their passes: each has the bits that it has alone, and a failed read ends those that
// needed it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "engine_runs.h"

namespace sluice {
namespace {

using namespace testing;

constexpr size_t kTogetherNewTokens = 6;

// A sequence: a prompt, taken in by pieces of `step` tokens, and then greedy tokens.
struct Plan {
  size_t prompt_tokens;
  size_t step;
};
// 140 tokens wrap tiny-v4's window twice and close a block of 128.
constexpr Plan kPlans[] = {{20, 20}, {140, 50}, {3, 1}, {30, 11}, {9, 2}, {25, 25}, {16, 7}, {1, 1}};

std::vector<int32_t> prompt_of(size_t sequence) {
  auto ids = some_prompt(200 + sequence * 11, 2048);
  return {ids.end() - static_cast<std::ptrdiff_t>(kPlans[sequence].prompt_tokens), ids.end()};
}

// Which experts the last pass used.
class RouteNotes final : public ForwardObserver {
 public:
  void on_experts(uint32_t layer, uint64_t, std::span<const uint32_t> experts,
                  std::span<const float>) override {
    routes_[layer].insert(experts.begin(), experts.end());
  }
  void forget() { routes_.clear(); }
  // Whether `error` is of one of them.
  bool needed(const Error& error) const {
    for (const auto& [layer, experts] : routes_) {
      for (const uint32_t expert : experts) {
        if (error.message.starts_with(fmt::format("layer {}, expert {}:", layer, expert))) return true;
      }
    }
    return false;
  }

 private:
  std::map<uint32_t, std::set<uint32_t>> routes_;
};

struct Runner {
  explicit Runner(const Model& model, size_t number) : prompt(prompt_of(number)), step(kPlans[number].step) {
    auto made = SequenceState::create(model.state_shape(), prompt.size() + kTogetherNewTokens);
    if (made) state = std::move(*made);
    run.logits.reserve((prompt.size() + kTogetherNewTokens) * model.config().vocab_size);
  }

  std::span<const int32_t> next() const {
    const size_t done = state.position();
    if (done < prompt.size()) return std::span(prompt).subspan(done, std::min(step, prompt.size() - done));
    return std::span(run.ids).subspan(done - prompt.size());
  }

  void take(const Model& model, std::span<const float> logits) {
    run.logits.insert(run.logits.end(), logits.begin(), logits.end());
    if (state.position() < prompt.size() || run.ids.size() == kTogetherNewTokens) return;
    const auto last = logits.last(model.config().vocab_size);
    run.ids.push_back(static_cast<int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
  }

  std::vector<int32_t> prompt;
  size_t step;
  SequenceState state;
  GreedyRun run;
  RouteNotes notes;
  std::optional<Error> error;
};

// One pass for all that are not done; false when all are.
bool pass(Model& model, std::vector<Runner>& runners) {
  std::vector<SequenceChunk> chunks;
  std::vector<Runner*> present;
  for (Runner& runner : runners) {
    if (runner.error || runner.next().empty()) continue;
    runner.notes.forget();
    chunks.push_back({&runner.state, runner.next(), &runner.notes});
    present.push_back(&runner);
  }
  if (chunks.empty()) return false;
  std::vector<float> streams(model.max_chunk_tokens() * model.streams_width());
  const auto results = model.extend(chunks, streams.data());
  if (!results) {
    ADD_FAILURE() << results.error().message;
    return false;
  }
  size_t row = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const size_t tokens = chunks[i].ids.size();
    std::vector<float> logits(tokens * model.config().vocab_size);
    model.logits(streams.data() + row * model.streams_width(), tokens, logits.data());
    if ((*results)[i]) {
      present[i]->take(model, logits);
    } else {
      present[i]->error = (*results)[i].error();
    }
    row += tokens;
  }
  return true;
}

std::vector<Runner> runners_of(const Model& model, size_t count) {
  std::vector<Runner> runners;
  for (size_t i = 0; i < count; ++i) runners.emplace_back(model, i);
  return runners;
}

class Together : public ::testing::Test {
 protected:
  // Every sequence alone, all experts in memory, one thread.
  static void SetUpTestSuite() {
    const auto loaded = load(options_for(kTinyV4, StreamMode::kResident));
    ASSERT_NE(loaded, nullptr);
    plan_ = loaded->plan;
    for (size_t i = 0; i < std::size(kPlans); ++i)
      alone_.push_back(run_greedily(*loaded, prompt_of(i), kPlans[i].step, kTogetherNewTokens));
  }

  static void expect_alone(const Runner& runner, size_t number, const std::string& what) {
    expect_same_bits(runner.run, alone_[number], what + ", sequence " + std::to_string(number));
  }

  static void expect_same_as_alone(const EngineOptions& options, const std::vector<size_t>& counts,
                                   const std::string& what) {
    const auto loaded = load(options);
    ASSERT_NE(loaded, nullptr);
    for (const size_t count : counts) {
      auto runners = runners_of(*loaded->model, count);
      while (pass(*loaded->model, runners)) continue;
      for (size_t i = 0; i < count; ++i) expect_alone(runners[i], i, fmt::format("{} {}", count, what));
    }
  }

  static inline MemoryPlan plan_;
  static inline std::vector<GreedyRun> alone_;
};

TEST_F(Together, TheBitsAreThoseOfASequenceAloneInEveryModeAndNumber) {
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    EngineOptions options = options_for(kTinyV4, mode);
    if (mode == StreamMode::kDirect) options.cache = CacheSize{0, 25.0};
    expect_same_as_alone(options, {1, 2, 3, 8}, stream_mode_name(mode));
  }
}

TEST_F(Together, TheBitsDoNotDependOnThreadsNorOnTheCache) {
  for (const size_t threads : {2U, 3U}) {
    for (const uint64_t slots : {uint64_t{6}, plan_.experts / 4}) {
      EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
      options.threads = threads;
      options.cache = cache_of(slots, plan_);
      expect_same_as_alone(options, {5}, fmt::format("{} threads, {} slots", threads, slots));
    }
  }
}

// Without guesses, whose failures are nobody's error.
TEST_F(Together, AFailedReadEndsTheSequencesThatNeededItAndNoOther) {
  FaultInjector injector(kTinyV4);
  EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
  options.prefetch = PrefetchMode::kOff;
  options.cache = cache_of(40, plan_);
  const auto loaded = load(options, injector.wrapper());
  ASSERT_NE(loaded, nullptr);
  Model& model = *loaded->model;
  size_t failed = 0, survived = 0;
  for (const uint64_t ahead : {1U, 700U, 1300U, 1500U, 1700U}) {
    auto runners = runners_of(model, 4);
    injector.reader().fail_op(injector.reader().submitted() + ahead);
    const std::string what = "read " + std::to_string(ahead);
    while (pass(model, runners)) {
      const auto first =
          std::ranges::find_if(runners, [](const Runner& one) { return one.error.has_value(); });
      if (first == runners.end()) continue;
      for (size_t i = 0; i < runners.size(); ++i) {
        if (runners[i].state.position() == runners[i].prompt.size() + kTogetherNewTokens) continue;
        EXPECT_EQ(runners[i].error.has_value(), runners[i].notes.needed(*first->error)) << what << ", " << i;
      }
      break;
    }
    while (pass(model, runners)) continue;
    for (size_t i = 0; i < runners.size(); ++i) {
      ++(runners[i].error ? failed : survived);
      if (!runners[i].error) expect_alone(runners[i], i, what);
    }
  }
  EXPECT_GT(failed, 0U);
  EXPECT_GT(survived, 0U);
  auto runners = runners_of(model, 4);
  while (pass(model, runners)) continue;
  for (size_t i = 0; i < runners.size(); ++i) expect_alone(runners[i], i, "afterwards");
}

}  // namespace
}  // namespace sluice
