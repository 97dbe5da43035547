#include "engine/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_testing.h"
#include "engine/synth_model.h"
#include "engine/synth_routing.h"
#include "engine/synth_tokenizer.h"
#include "sluice/engine.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using testing::read_whole;
using testing::TempFolder;

SynthOptions tiny(uint32_t layers) {
  SynthOptions options;
  options.width = "tiny";
  options.layers = layers;
  options.vocab = 1024;
  options.shard_bytes = 3'000'000;
  return options;
}

Status write(const SynthOptions& options, const std::filesystem::path& folder, size_t threads) {
  SLUICE_ASSIGN(const SynthPlan plan, SynthPlan::make(options));
  return plan.write(folder, threads, {}, {});
}

TEST(Synth, WritesACheckpointThatGenerates) {
  const TempFolder folder;
  SynthOptions options = tiny(4);
  options.mtp_layers = 1;
  ASSERT_TRUE(write(options, folder.path() / "model", 2).has_value());
  const auto checkpoint = Checkpoint::open(folder.path() / "model");
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_GT(checkpoint->files().size(), 1U);
  EXPECT_EQ(checkpoint->config().compress_ratios, (std::vector<uint32_t>{0, 0, 4, 128}));
  EXPECT_EQ(checkpoint->config().num_hash_layers, 1U);
  EngineOptions engine_options;
  engine_options.model_folder = folder.path() / "model";
  const auto engine = Engine::open(engine_options);
  ASSERT_TRUE(engine.has_value()) << engine.error().message;
  auto session = (*engine)->new_session();
  GenerationRequest request;
  request.context_ids = (*engine)->tokenize_prompt("Once upon a time").value();
  EXPECT_EQ(request.context_ids.size(), 17U);
  request.max_new_tokens = 150;  // past a block of 128
  request.stop_at_end_of_text = false;
  request.sampling.seed = 1;
  const auto result = session->generate(request);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  // Logits that were not finite would make every token the same.
  EXPECT_GT(std::set<int32_t>(result->ids.begin(), result->ids.end()).size(), 30U);
}

TEST(Synth, TheSameOptionsGiveTheSameBytes) {
  const TempFolder folder;
  ASSERT_TRUE(write(tiny(1), folder.path() / "a", 1).has_value());
  ASSERT_TRUE(write(tiny(1), folder.path() / "b", 5).has_value());
  SynthOptions other = tiny(1);
  other.seed = 2;
  ASSERT_TRUE(write(other, folder.path() / "c", 1).has_value());
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "a")) {
    const auto name = entry.path().filename();
    EXPECT_EQ(read_whole(entry.path()), read_whole(folder.path() / "b" / name)) << name;
    if (name.extension() == ".safetensors") {
      EXPECT_NE(read_whole(entry.path()), read_whole(folder.path() / "c" / name)) << name;
    }
    ++files;
  }
  EXPECT_GE(files, 5U);
}

TEST(Synth, FlashHasTheReleasedSizes) {
  SynthOptions options;
  options.layers = 43;
  options.mtp_layers = 1;
  options.vocab = 129280;
  const auto config = synth_config(options);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->compress_ratios.back(), 4U);
  EXPECT_EQ(config->num_hash_layers, 3U);
  uint64_t expert_bytes = 0, expert_scales_bytes = 0, bytes = 0;
  for (const SynthTensor& tensor : synth_tensors(*config, options)) {
    const uint64_t size_bytes = tensor.info.elements() * dtype_size_bytes(tensor.info.dtype);
    bytes += size_bytes;
    if (tensor.info.name.find("layers.7.ffn.experts.9.") == std::string::npos) continue;
    (tensor.info.dtype == DType::kI8 ? expert_bytes : expert_scales_bytes) += size_bytes;
  }
  EXPECT_EQ(expert_bytes, 12'582'912U);
  EXPECT_EQ(expert_scales_bytes, 786'432U);
  EXPECT_NEAR(static_cast<double>(bytes), 147e9 + 9e9 + 3.5e9, 3e9);
}

TEST(Synth, NeverTouchesAFolderThatHoldsAnything) {
  const TempFolder folder;
  folder.write("precious.txt", "mine");
  const Status refused = write(tiny(1), folder.path(), 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("not empty"));
  EXPECT_EQ(read_whole(folder.path() / "precious.txt"), "mine");
}

TEST(Synth, LeavesNothingBehindWhenItIsInterrupted) {
  const TempFolder folder;
  const auto plan = SynthPlan::make(tiny(4));
  ASSERT_TRUE(plan.has_value());
  std::stop_source asked;
  const auto stop_soon = [&](uint64_t done, uint64_t) {
    if (done > 5'000'000) asked.request_stop();
  };
  const Status stopped = plan->write(folder.path() / "model", 2, stop_soon, asked.get_token());
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "model"));
}

TEST(Synth, OptionsOutOfRangeAreNamed) {
  const auto refused = [](void (*change)(SynthOptions&), const char* name) {
    SynthOptions options = tiny(2);
    change(options);
    const auto plan = SynthPlan::make(options);
    ASSERT_FALSE(plan.has_value()) << name;
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(plan.error().message, HasSubstr(name));
  };
  refused([](SynthOptions& options) { options.layers = 0; }, "--layers 0");
  refused([](SynthOptions& options) { options.hash_layers = 3; }, "--hash-layers 3");
  refused([](SynthOptions& options) { options.vocab = 100; }, "--vocab 100");
  refused([](SynthOptions& options) { options.width = "wide"; }, "--width wide");
  refused([](SynthOptions& options) { options.skew = -1; }, "--skew -1");
  refused([](SynthOptions& options) { options.skew = std::nan(""); }, "--skew");
}

TEST(SynthRouting, PopularityAddsUpAndFallsAsAsked) {
  auto shares = expert_popularity(256, 6, 0.8, RandomWords(1, "test"));
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 6, 1e-9);
  std::ranges::sort(shares, std::greater());
  EXPECT_NEAR(shares[0] / shares[9], std::pow(10, 0.8), 1e-6);
  for (const double share : expert_popularity(256, 6, 0, RandomWords(1, "test")))
    EXPECT_NEAR(share, 6.0 / 256, 1e-9);
}

TEST(SynthRouting, BiasesMakeARouterChooseSo) {
  constexpr uint32_t kExperts = 64, kChosen = 6, kTokens = 4000;
  const auto shares = expert_popularity(kExperts, kChosen, 0.8, RandomWords(3, "test"));
  const auto bias = bias_for_popularity(shares);
  EXPECT_NEAR(std::accumulate(bias.begin(), bias.end(), 0.0), 0, 1e-4);
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> chosen(kExperts);
  for (uint32_t token = 0; token < kTokens; ++token) {
    std::vector<std::pair<double, uint32_t>> scores;
    for (uint32_t e = 0; e < kExperts; ++e)
      scores.emplace_back(std::sqrt(std::log1p(std::exp(normal(random)))) + bias[e], e);
    std::ranges::sort(scores, std::greater());
    for (uint32_t rank = 0; rank < kChosen; ++rank) chosen[scores[rank].second] += 1.0 / kTokens;
  }
  for (uint32_t e = 0; e < kExperts; ++e) EXPECT_NEAR(chosen[e], shares[e], 0.05 + 0.15 * shares[e]) << e;
}

TEST(SynthRouting, TablesHoldDifferentExpertsAsPopularAsAsked) {
  const auto shares = expert_popularity(64, 6, 0.8, RandomWords(3, "test"));
  const auto table = expert_table_for_popularity(shares, 4000, 6, RandomWords(4, "test"));
  ASSERT_EQ(table.size(), 4000U * 6);
  std::vector<double> chosen(64);
  for (size_t row = 0; row < table.size(); row += 6) {
    EXPECT_EQ(
        std::set<int64_t>(table.begin() + static_cast<int>(row), table.begin() + static_cast<int>(row) + 6)
            .size(),
        6U);
  }
  for (const int64_t expert : table) chosen[static_cast<size_t>(expert)] += 1.0 / 4000;
  // Drawn without repetition, the most popular fall a little short.
  for (size_t e = 0; e < 64; ++e) EXPECT_NEAR(chosen[e], shares[e], 0.03 + 0.35 * shares[e]) << e;
}

TEST(SynthTokenizer, SpeaksEveryId) {
  const TempFolder folder;
  const auto tokenizer = Tokenizer::load(folder.write("tokenizer.json", synth_tokenizer_json(20000)));
  ASSERT_TRUE(tokenizer.has_value()) << tokenizer.error().message;
  std::set<std::string> words;
  for (int32_t id = 0; id < 20000; ++id) words.insert(tokenizer->decode(std::vector<int32_t>{id}));
  EXPECT_GT(words.size(), 19800U);  // single bytes of longer characters look alike
}

}  // namespace
}  // namespace sluice
