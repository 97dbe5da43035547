// Sequences that share their passes: each has the bits that it has alone, a failed read ends those that
// needed it, and a cancellation the one that is cancelled.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <stop_token>

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
  std::stop_source cancel;
  std::function<void(size_t layers_done)> on_layer;
  std::optional<Error> error;
};

// One pass for all that are not done; false when all are.
bool pass(Model& model, std::vector<Runner>& runners) {
  std::vector<SequenceChunk> chunks;
  std::vector<Runner*> present;
  for (Runner& runner : runners) {
    if (runner.error || runner.next().empty()) continue;
    runner.notes.forget();
    chunks.push_back(
        {&runner.state, runner.next(), &runner.notes, runner.cancel.get_token(), runner.on_layer});
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
    const std::vector<size_t> counts =
        kSanitized ? std::vector<size_t>{2, 8} : std::vector<size_t>{1, 2, 3, 8};
    expect_same_as_alone(options, counts, stream_mode_name(mode));
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

TEST_F(Together, ACancelledSequenceLeavesInTheMiddleOfAPassAndNoOtherNotices) {
  EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
  options.cache = cache_of(40, plan_);
  const auto loaded = load(options);
  ASSERT_NE(loaded, nullptr);
  for (const size_t last_layer : {1U, 3U}) {
    auto runners = runners_of(*loaded->model, 4);
    ASSERT_TRUE(pass(*loaded->model, runners));
    size_t layers = 0;
    runners[1].on_layer = [&](size_t layers_done) {
      layers = layers_done;
      if (layers_done == last_layer) runners[1].cancel.request_stop();
    };
    while (pass(*loaded->model, runners)) continue;
    EXPECT_EQ(layers, last_layer);
    ASSERT_TRUE(runners[1].error.has_value());
    EXPECT_EQ(runners[1].error->code, ErrorCode::kCancelled);
    EXPECT_EQ(runners[1].state.position(), kPlans[1].step);
    for (const size_t i : {0U, 2U, 3U})
      expect_alone(runners[i], i, "beside one cancelled after layer " + std::to_string(last_layer));
  }
}

// Asks to stop when a layer's experts are known, and notes what is done after that.
class StopAtExperts final : public ForwardObserver {
 public:
  explicit StopAtExperts(uint32_t layer) : layer_(layer) {}
  std::stop_token token() const { return source_.get_token(); }
  void on_experts(uint32_t layer, uint64_t, std::span<const uint32_t>, std::span<const float>) override {
    last_layer = layer;
    if (layer == layer_) source_.request_stop();
  }
  void on_part(PassPart part, uint32_t layer, std::chrono::steady_clock::time_point,
               std::chrono::steady_clock::time_point) override {
    if (part == PassPart::kExpert) ++experts[layer];
  }

  uint32_t last_layer = 0;
  std::map<uint32_t, size_t> experts;  // that were computed

 private:
  uint32_t layer_;
  std::stop_source source_;
};

TEST_F(Together, APassThatNobodyWantsEndsBeforeItsNextExpert) {
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    EngineOptions options = options_for(kTinyV4, mode);
    if (mode == StreamMode::kDirect) options.cache = CacheSize{0, 25.0};
    const auto loaded = load(options);
    ASSERT_NE(loaded, nullptr);
    Runner runner(*loaded->model, 0);
    StopAtExperts observer(2);
    const SequenceChunk chunk{&runner.state, runner.next(), &observer, observer.token()};
    std::vector<float> streams(loaded->model->max_chunk_tokens() * loaded->model->streams_width());
    const auto results = loaded->model->extend({&chunk, 1}, streams.data(), &observer);
    ASSERT_TRUE(results.has_value());
    ASSERT_FALSE(results->front().has_value());
    EXPECT_EQ(results->front().error().code, ErrorCode::kCancelled);
    EXPECT_EQ(observer.last_layer, 2U);
    EXPECT_GT(observer.experts[1], 0U);
    EXPECT_EQ(observer.experts.count(2), 0U);
    EXPECT_EQ(runner.state.position(), 0U);
    runner.state.clear();
    std::vector<Runner> runners;
    runners.push_back(std::move(runner));
    while (pass(*loaded->model, runners)) continue;
    expect_alone(runners[0], 0, stream_mode_name(mode));
  }
}

}  // namespace
}  // namespace sluice
