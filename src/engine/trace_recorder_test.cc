#include "engine/trace_recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "engine/loaded_model.h"
#include "engine/reference.h"
#include "experts/replay.h"

namespace sluice {
namespace {

constexpr uint64_t kNewTokens = 4;

// A run over a reference's tokens, recorded.
class Recorded : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.model_folder =
        std::filesystem::path(SLUICE_SOURCE_DIR "/tests/data/reference/variants") / GetParam();
    options.threads = 1;
    options.context_tokens = 512;
    options.chunk_tokens = 64;
    options.numerics = Numerics::kExact;  // the reference's experts, to the last
    auto engine = Engine::open(options);
    ASSERT_TRUE(engine) << engine.error().message;
    config_ = (*engine)->loaded().checkpoint.config();
    auto cases = load_reference(options.model_folder / "reference.safetensors", config_);
    ASSERT_TRUE(cases) << cases.error().message;
    reference_ = cases->front();
    record(**engine);
  }

  void record(Engine& engine) {
    GenerationRequest request;
    request.context_ids = reference_.ids;
    request.max_new_tokens = kNewTokens;
    request.sampling.temperature = 0;
    request.stop_at_end_of_text = false;
    // Other tests of this suite may run meanwhile, in processes of their own.
    const auto path = std::filesystem::path(::testing::TempDir()) /
                      (std::string(GetParam()) + std::to_string(::getpid()) + ".trace");
    auto recorder = TraceRecorder::create(path, "a model", config_, 1000, request.context_ids.size());
    ASSERT_TRUE(recorder) << recorder.error().message;
    EXPECT_TRUE(read_trace(path)->routes.empty());
    request.observer = &*recorder;
    auto session = engine.new_session();
    const auto generated = session->generate(request);
    ASSERT_TRUE(generated) << generated.error().message;
    const Status finished = recorder->finish();
    ASSERT_TRUE(finished) << finished.error().message;
    auto trace = read_trace(path);
    std::filesystem::remove(path);
    ASSERT_TRUE(trace) << trace.error().message;
    trace_ = *std::move(trace);
  }

  ModelConfig config_;
  ReferenceCase reference_;
  Trace trace_;
};
INSTANTIATE_TEST_SUITE_P(TraceRecorder, Recorded, ::testing::Values("variant-bf16", "variant-pro"),
                         [](const auto& each) { return std::string(each.param).substr(8); });

TEST_P(Recorded, EveryTokenIsThereAtEveryLayerWithTheReferencesExperts) {
  EXPECT_EQ(trace_.header.model, "a_model");
  // The last of the new tokens is never taken in.
  ASSERT_EQ(trace_.routes.size(), (reference_.ids.size() + kNewTokens - 1) * config_.num_hidden_layers);
  for (size_t i = 0; i < trace_.routes.size(); ++i) {
    const TraceRoute& route = trace_.routes[i];
    ASSERT_EQ(route.token, i / config_.num_hidden_layers);
    ASSERT_EQ(route.layer, i % config_.num_hidden_layers);
    const bool is_prompt = route.token < reference_.ids.size();
    ASSERT_EQ(route.phase, is_prompt ? TracePhase::kPrefill : TracePhase::kDecode);
    const Table<int64_t>& expected = reference_.layers[route.layer].experts;
    if (!is_prompt || expected.rows == 0) continue;
    const auto row = expected.row(route.token);
    ASSERT_TRUE(std::is_permutation(row.begin(), row.end(), route.experts.begin(), route.experts.end())) << i;
  }
}

TEST_P(Recorded, TheExpertsAreThoseWithTheHighestScores) {
  for (const TraceRoute& route : trace_.routes) {
    if (route.layer < config_.num_hash_layers) {
      ASSERT_TRUE(route.scores.empty());
      continue;
    }
    ASSERT_EQ(route.scores.size(), config_.n_routed_experts);
    std::vector<float> left = route.scores;
    for (const uint32_t expert : route.experts) {
      ASSERT_EQ(route.scores[expert], std::ranges::max(left));
      left[expert] = std::numeric_limits<float>::lowest();
    }
  }
}

TEST_P(Recorded, CanBeReplayed) {
  const auto row = replay(trace_, "forecast", 1.0);
  ASSERT_TRUE(row) << row.error().message;
  EXPECT_EQ(row->decode_tokens, kNewTokens - 1);
}

TEST(TraceRecorder, APathThatCannotBeWrittenIsRefusedAtOnce) {
  ModelConfig config;
  config.num_hidden_layers = config.n_routed_experts = config.num_experts_per_tok = 1;
  const auto recorder = TraceRecorder::create("/no/such/folder/trace.csv", "m", config, 1, 1);
  ASSERT_FALSE(recorder);
  EXPECT_EQ(recorder.error().code, ErrorCode::kIo);
}

// What a table may do: name an expert twice.
TEST(TraceRecorder, AnExpertNamedTwiceIsWrittenOnceWithBothWeights) {
  ModelConfig config;
  config.num_hidden_layers = 1;
  config.n_routed_experts = 4;
  config.num_experts_per_tok = 3;
  const auto path = std::filesystem::path(::testing::TempDir()) / "sluice_twice.trace";
  auto recorder = TraceRecorder::create(path, "m", config, 1, 0);
  ASSERT_TRUE(recorder) << recorder.error().message;
  const uint32_t experts[] = {2, 1, 2};
  const float weights[] = {0.5F, 0.25F, 0.25F};
  recorder->on_experts(0, 0, experts, weights);
  recorder->on_experts(1, 0, experts, weights);  // an MTP layer
  ASSERT_TRUE(recorder->finish());
  const auto trace = read_trace(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->routes.size(), 1u);
  EXPECT_EQ(trace->routes[0].experts, (std::vector<uint32_t>{2, 1}));
  EXPECT_EQ(trace->routes[0].weights, (std::vector<float>{0.75F, 0.25F}));
}

}  // namespace
}  // namespace sluice
