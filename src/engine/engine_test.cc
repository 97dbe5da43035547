#include "sluice/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_testing.h"
#include "model/synthetic_checkpoint_testing.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::SyntheticCheckpoint;
using testing::TempFolder;

std::stop_token already_stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

// A small model in a folder, to which a test adds what it is about.
class EngineFolder : public ::testing::Test {
 protected:
  EngineFolder() { SyntheticCheckpoint({}).write(folder_.path()); }

  Result<std::unique_ptr<Engine>> open(void (*change)(EngineOptions&) = nullptr) const {
    EngineOptions options;
    options.model_folder = folder_.path();
    options.threads = 1;
    if (change != nullptr) change(options);
    return Engine::open(options);
  }

  TempFolder folder_;
};

using GenerationConfig = EngineFolder;

TEST_F(GenerationConfig, SetsWhatItNamesAndLeavesTheRest) {
  EXPECT_EQ((*open())->default_sampling().temperature, 1.0);
  folder_.write(
      "generation_config.json",
      R"({"temperature":0.6,"top_p":0.95,"min_p":0.05,"top_k":40,"eos_token_id":1,"do_sample":true})");
  auto engine = open();
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  const SamplingOptions& sampling = (*engine)->default_sampling();
  EXPECT_EQ(sampling.temperature, 0.6);
  EXPECT_EQ(sampling.top_p, 0.95);
  EXPECT_EQ(sampling.min_p, 0.05);
  EXPECT_EQ(sampling.top_k, 40U);
  folder_.write("generation_config.json", R"({"temperature":null,"top_k":null})");
  EXPECT_EQ((*open())->default_sampling().temperature, 1.0);
}

TEST_F(GenerationConfig, WithoutSamplingIsGreedy) {
  folder_.write("generation_config.json", R"({"temperature":0.6,"do_sample":false})");
  EXPECT_EQ((*open())->default_sampling().temperature, 0.0);
}

TEST_F(GenerationConfig, DamageIsAnErrorThatNamesTheField) {
  const auto refusal = [&](std::string_view json) {
    folder_.write("generation_config.json", json);
    const auto engine = open();
    if (engine) return std::string("not refused");
    EXPECT_EQ(engine.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(engine.error().message, HasSubstr("generation_config.json: "));
    return engine.error().message;
  };
  EXPECT_NE(refusal(""), "not refused");
  EXPECT_NE(refusal("{\"temperature\":"), "not refused");
  EXPECT_NE(refusal("[]"), "not refused");
  EXPECT_THAT(refusal(R"({"temperature":"hot"})"), HasSubstr("temperature is of type string; a number"));
  EXPECT_THAT(refusal(R"({"temperature":-1})"), HasSubstr("temperature is -1"));
  EXPECT_THAT(refusal(R"({"top_p":0})"), HasSubstr("top-p is 0"));
  EXPECT_THAT(refusal(R"({"min_p":[0.5]})"), HasSubstr("min_p is of type array"));
  EXPECT_THAT(refusal(R"({"top_k":-1})"), HasSubstr("top_k is -1"));
  EXPECT_THAT(refusal(R"({"top_k":1.5})"), HasSubstr("top_k is 1.5"));
  EXPECT_THAT(refusal(R"({"do_sample":"yes"})"), HasSubstr("do_sample is \"yes\""));
}

TEST_F(EngineFolder, WithoutATokenizerTextIsRefusedAndTokensWork) {
  auto engine = open();
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  EXPECT_EQ((*engine)->tokenizer(), nullptr);
  const auto ids = (*engine)->tokenize_prompt("hello");
  ASSERT_FALSE(ids.has_value());
  EXPECT_EQ(ids.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(ids.error().message, HasSubstr("tokenizer.json"));
  auto session = (*engine)->new_session();
  ASSERT_TRUE(session.has_value());
  GenerationRequest request;
  request.context_ids = {1, 2, 3};
  request.max_new_tokens = 2;
  EXPECT_TRUE(session->generate(request).has_value());
}

TEST_F(EngineFolder, ADamagedTokenizerIsAnError) {
  folder_.write("tokenizer.json", "{}");
  const auto engine = open();
  ASSERT_FALSE(engine.has_value());
  EXPECT_THAT(engine.error().message, HasSubstr("tokenizer.json"));
}

TEST_F(EngineFolder, SaysWhatItSettledOn) {
  const auto engine = open([](EngineOptions& options) {
    options.threads = 3;
    options.stream = StreamMode::kMmap;
    options.context_tokens = 77;
  });
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  EXPECT_EQ((*engine)->threads(), 3U);
  EXPECT_EQ((*engine)->stream_mode(), StreamMode::kMmap);
  EXPECT_EQ((*engine)->memory_plan().experts, 18U);
  EXPECT_EQ((*engine)->new_session()->context_tokens(), 77U);
}

TEST_F(EngineFolder, ReportsTheProgressOfLoading) {
  std::vector<LoadProgress> seen;
  EngineOptions options;
  options.model_folder = folder_.path();
  options.stream = StreamMode::kResident;
  options.on_progress = [&](const LoadProgress& progress) { seen.push_back(progress); };
  ASSERT_TRUE(Engine::open(options).has_value());
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().what, std::string("dense weights"));
  EXPECT_EQ(seen.back().what, std::string("experts"));
  EXPECT_EQ(seen.back().bytes_done, seen.back().bytes_total);
  for (size_t i = 1; i < seen.size(); ++i) {
    const bool same_part = std::string(seen[i].what) == seen[i - 1].what;
    EXPECT_GE(seen[i].bytes_done, same_part ? seen[i - 1].bytes_done : 0);
  }
}

TEST_F(EngineFolder, OpeningCanBeCancelled) {
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kDirect}) {
    EngineOptions options;
    options.model_folder = folder_.path();
    options.stream = mode;
    options.cancel = already_stopped();
    const auto engine = Engine::open(options);
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, ErrorCode::kCancelled);
  }
}

TEST_F(EngineFolder, AFolderThatIsNoneIsRefused) {
  EngineOptions options;
  options.model_folder = folder_.path() / "nothing";
  const auto engine = Engine::open(options);
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kNotFound);
}

TEST(Engine, TokenizesAPromptBehindTheBeginningOfText) {
  EngineOptions options;
  options.model_folder = SLUICE_SOURCE_DIR "/models/tiny-v4";
  const auto engine = Engine::open(options);
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  EXPECT_NE((*engine)->tokenizer(), nullptr);
  const auto ids = (*engine)->tokenize_prompt("Once upon a time");
  ASSERT_TRUE(ids.has_value());
  EXPECT_EQ(ids->front(), 0);
  EXPECT_GT(ids->size(), 1U);
  EXPECT_EQ((*engine)->tokenize_prompt("")->size(), 1U);
}

TEST(FinishReason, HasANameEach) {
  EXPECT_STREQ(finish_reason_name(FinishReason::kEndOfText), "end_of_text");
  EXPECT_STREQ(finish_reason_name(FinishReason::kMaxTokens), "max_tokens");
  EXPECT_STREQ(finish_reason_name(FinishReason::kContextFull), "context_full");
  EXPECT_STREQ(finish_reason_name(FinishReason::kCancelled), "cancelled");
}

}  // namespace
}  // namespace sluice
