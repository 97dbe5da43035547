#include "engine/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/fail.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

ModelConfig of_eight_tokens() {
  ModelConfig config;
  config.vocab_size = 8;
  return config;
}

TEST(PerplexityText, IsRead) {
  const auto text = parse_perplexity_text(R"({"token_ids":[1,7,0],"window":2,"nll_per_token":0.7})", "p.json",
                                          of_eight_tokens());
  ASSERT_TRUE(text.has_value()) << text.error().message;
  EXPECT_EQ(text->ids, (std::vector<int32_t>{1, 7, 0}));
  EXPECT_EQ(text->window, 2U);
  EXPECT_EQ(parse_perplexity_text(R"({"token_ids":[1,7]})", "p.json", of_eight_tokens())->window, 1024U);
}

TEST(PerplexityText, DamagedOnesAreRefusedByField) {
  const auto refusal = [](const std::string& json) {
    const auto text = parse_perplexity_text(json, "p.json", of_eight_tokens());
    if (text) return std::string("not refused");
    EXPECT_EQ(text.error().code, ErrorCode::kCorrupt);
    return text.error().message;
  };
  for (const char* json : {"", "{", "[1,2]", R"({"token_ids":[1,2],"token_ids":[1,2]})"}) {
    EXPECT_THAT(refusal(json), HasSubstr("p.json: ")) << json;
  }
  for (const char* json :
       {R"({})", R"({"token_ids":[1]})", R"({"token_ids":"1 2"})", R"({"token_ids":{"0":1,"1":2}})"}) {
    EXPECT_THAT(refusal(json), HasSubstr("p.json: token_ids: ")) << json;
  }
  EXPECT_THAT(refusal(R"({"token_ids":[1,8]})"),
              HasSubstr("p.json: token_ids[1]: 8 found, an id below 8 expected"));
  EXPECT_THAT(refusal(R"({"token_ids":[-1,2]})"), HasSubstr("token_ids[0]: -1 found"));
  EXPECT_THAT(refusal(R"({"token_ids":[1,2,2.5]})"), HasSubstr("token_ids[2]: 2.5 found"));
  EXPECT_THAT(refusal(R"({"token_ids":[1,[2]]})"), HasSubstr("token_ids[1]: array found"));
  for (const char* window : {"0", "-1", "1.5", "\"2\"", "null"}) {
    EXPECT_THAT(refusal(fmt::format(R"({{"token_ids":[1,2],"window":{}}})", window)),
                HasSubstr("p.json: window: "));
  }
}

class Perplexity : public ::testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.model_folder = SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16";
    options.chunk_tokens = 8;
    options.threads = 1;
    auto loaded = LoadedModel::load(options);
    ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
    loaded_ = std::move(*loaded);
    for (int32_t i = 0; i < 31; ++i) text_.ids.push_back(i * 37 % 256);
    text_.window = 12;
  }

  std::unique_ptr<LoadedModel> loaded_;
  PerplexityText text_;
};

TEST_F(Perplexity, IsTheMeanOverWindowsThatKnowNothingOfEachOther) {
  std::vector<uint64_t> progress;
  const auto result = perplexity(*loaded_, text_, [&](uint64_t done, uint64_t all) {
    EXPECT_EQ(all, 30U);
    progress.push_back(done);
  });
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->windows, 3U);  // of 12, 12 and 6
  EXPECT_EQ(result->tokens, 30U);
  // Chunks of 8 and 4, and of 6, by the thirds: there are three layers.
  EXPECT_EQ(progress, (std::vector<uint64_t>{2, 5, 8, 9, 10, 12, 14, 17, 20, 21, 22, 24, 26, 28, 30}));
  EXPECT_NEAR(result->perplexity, std::exp(result->nll_per_token), 1e-12);

  double sum = 0;
  for (const auto& [begin, count] : {std::pair(0, 12), std::pair(12, 12), std::pair(24, 6)}) {
    PerplexityText alone;
    alone.ids.assign(text_.ids.begin() + begin, text_.ids.begin() + begin + count + 1);
    sum += perplexity(*loaded_, alone, {})->nll_per_token * count;
  }
  EXPECT_NEAR(result->nll_per_token, sum / 30, 1e-9);
}

TEST_F(Perplexity, OfLogitsReadPlainly) {
  text_.ids.resize(5);
  const auto result = perplexity(*loaded_, text_, {});
  ASSERT_TRUE(result.has_value());
  Model& model = *loaded_->model;
  auto state = SequenceState::create(model.state_shape(), 4);
  ASSERT_TRUE(state.has_value());
  std::vector<float> streams(4 * model.streams_width()), logits(4 * 256);
  ASSERT_TRUE(model.extend(*state, std::span(text_.ids).first(4), streams.data()).has_value());
  model.logits(streams.data(), 4, logits.data());
  double sum = 0;
  for (size_t t = 0; t < 4; ++t) {
    double total = 0;
    for (size_t id = 0; id < 256; ++id) total += std::exp(double{logits[t * 256 + id]});
    sum -= logits[t * 256 + static_cast<size_t>(text_.ids[t + 1])] - std::log(total);
  }
  EXPECT_NEAR(result->nll_per_token, sum / 4, 1e-9);
}

TEST_F(Perplexity, StopsWhenItIsCancelled) {
  std::stop_source source;
  const auto result = perplexity(
      *loaded_, text_,
      [&](uint64_t done, uint64_t) {
        if (done == 12) source.request_stop();
      },
      source.get_token());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(result.error().message, HasSubstr("after 12 tokens"));
}

TEST_F(Perplexity, StopsBetweenTheLayersOfAChunk) {
  std::stop_source source;
  uint64_t last = 0;
  const auto result = perplexity(
      *loaded_, text_,
      [&](uint64_t done, uint64_t) {
        last = done;
        if (done == 14) source.request_stop();
      },
      source.get_token());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(last, 14U);
}

}  // namespace
}  // namespace sluice
