// Checkpoints of many shapes and forms: each loads, and computes the same in every mode.
#include <gtest/gtest.h>

#include <functional>

#include "engine_runs.h"
#include "model/synthetic_checkpoint_testing.h"

namespace sluice {
namespace {

using namespace testing;

constexpr size_t kFormPromptTokens = 29;
constexpr size_t kFormNewTokens = 6;

GreedyRun run_folder(const std::filesystem::path& folder, StreamMode mode) {
  EngineOptions options = options_for(folder, mode);
  options.chunk_tokens = 11;
  options.threads = 2;
  if (mode == StreamMode::kDirect) options.cache = CacheSize{0, 40.0};
  const auto loaded = load(options);
  if (loaded == nullptr) return {};
  return run_greedily(*loaded, some_prompt(kFormPromptTokens, loaded->model->config().vocab_size), 11,
                      kFormNewTokens);
}

GreedyRun run_written(const SyntheticOptions& options, StreamMode mode = StreamMode::kResident) {
  const TempFolder folder;
  SyntheticCheckpoint(options).write(folder.path());
  return run_folder(folder.path(), mode);
}

struct Shape {
  const char* name;
  std::function<void(SyntheticOptions&)> change;
};

const std::vector<Shape> kShapes = {
    {"AsItIs", [](SyntheticOptions&) {}},
    {"ExpertsFp8", [](SyntheticOptions& o) { o.expert_type = DType::kF8E4M3; }},
    {"ExpertsBf16", [](SyntheticOptions& o) { o.expert_type = DType::kBF16; }},
    {"ExpertsF32", [](SyntheticOptions& o) { o.expert_type = DType::kF32; }},
    {"DenseBf16", [](SyntheticOptions& o) { o.dense_type = DType::kBF16; }},
    {"DenseF32AllF32",
     [](SyntheticOptions& o) {
       o.dense_type = DType::kF32;
       o.expert_type = DType::kF32;
       o.table_type = DType::kI32;
     }},
    {"RaggedFp8Blocks",
     [](SyntheticOptions& o) {
       o.hidden = 160;
       o.inner = 136;
       o.expert_type = DType::kF8E4M3;
     }},
    {"OneStream", [](SyntheticOptions& o) { o.hc = 1; }},
    {"SixteenStreams", [](SyntheticOptions& o) { o.hc = 16; }},
    {"OneHeadOneGroupOneExpertAToken",
     [](SyntheticOptions& o) {
       o.heads = 1;
       o.o_groups = 1;
       o.index_heads = 1;
       o.experts_per_token = 1;
     }},
    {"AllExpertsEveryToken", [](SyntheticOptions& o) { o.experts_per_token = o.experts; }},
    {"OddSizes",
     [](SyntheticOptions& o) {
       o.vocab = 53;
       o.hidden = 96;
       o.heads = 3;
       o.o_groups = 3;
       o.q_lora = 19;
       o.o_lora = 7;
       o.head_dim = 18;
       o.index_head_dim = 22;
       o.rope_dim = 6;
       o.window = 5;
     }},
    {"WholeHeadsTurn",
     [](SyntheticOptions& o) {
       o.rope_dim = 16;
       o.window = 1;
     }},
    {"WindowOnly",
     [](SyntheticOptions& o) {
       o.ratios = {0, 0};
       o.hash_layers = 0;
     }},
    {"EveryLayerCsa",
     [](SyntheticOptions& o) {
       o.ratios = {4, 4};
     }},
    {"EveryLayerHcaAndHashed",
     [](SyntheticOptions& o) {
       o.ratios = {12, 12};
       o.hash_layers = 2;
     }},
    {"SigmoidWithMtp",
     [](SyntheticOptions& o) {
       o.scoring = "sigmoid";
       o.mtp_layers = 1;
     }},
    {"Softmax", [](SyntheticOptions& o) { o.scoring = "softmax"; }},
    {"TightClamp", [](SyntheticOptions& o) { o.swiglu_limit = 0.05; }},
};

class EveryShape : public ::testing::TestWithParam<Shape> {};
INSTANTIATE_TEST_SUITE_P(Synthetic, EveryShape, ::testing::ValuesIn(kShapes),
                         [](const auto& each) { return each.param.name; });

TEST_P(EveryShape, ComputesFiniteLogitsThatAreTheSameInEveryMode) {
  SyntheticOptions options;
  GetParam().change(options);
  options.shards = 2;
  const TempFolder folder;
  SyntheticCheckpoint(options).write(folder.path());
  const GreedyRun resident = run_folder(folder.path(), StreamMode::kResident);
  ASSERT_EQ(resident.ids.size(), kFormNewTokens);
  EXPECT_TRUE(all_finite(resident.logits));
  // A model that says the same to everything would pass for right.
  const size_t vocab = options.vocab;
  EXPECT_NE(std::memcmp(resident.logits.data(), resident.logits.data() + vocab, vocab * sizeof(float)), 0);
  expect_same_bits(run_folder(folder.path(), StreamMode::kMmap), resident, "mmap");
  if (options.experts_per_token < options.experts) {
    expect_same_bits(run_folder(folder.path(), StreamMode::kDirect), resident, "direct");
  }
}

TEST(SyntheticForms, TheFilesOfACheckpointDoNotMatter) {
  SyntheticOptions options;
  options.mtp_layers = 1;
  const GreedyRun single = run_written(options);
  ASSERT_EQ(single.ids.size(), kFormNewTokens);
  for (const size_t shards : {1U, 2U, 5U}) {
    for (const bool with_index : {true, false}) {
      options.shards = shards;
      options.with_index = with_index;
      for (const StreamMode mode : {StreamMode::kResident, StreamMode::kDirect}) {
        expect_same_bits(
            run_written(options, mode), single,
            std::to_string(shards) + (with_index ? " shards with index" : " shards without index"));
      }
    }
  }
}

TEST(SyntheticForms, TheSpellingOfTheConfigurationDoesNotMatter) {
  SyntheticOptions options;
  options.mtp_layers = 1;
  const GreedyRun released = run_written(options);
  ASSERT_EQ(released.ids.size(), kFormNewTokens);
  options.transformers_spelling = true;
  expect_same_bits(run_written(options), released, "transformers' spelling");
}

TEST(SyntheticForms, TheWidthOfTheHashTableDoesNotMatter) {
  SyntheticOptions options;
  const GreedyRun wide = run_written(options);
  options.table_type = DType::kI32;
  expect_same_bits(run_written(options), wide, "I32");
}

TEST(SyntheticForms, ExpertsOfOneModelMayDifferInFormatInEveryMode) {
  SyntheticOptions options;
  SyntheticCheckpoint checkpoint(options);
  SyntheticOptions others = options;
  others.expert_type = DType::kBF16;
  SyntheticCheckpoint bf16(others);
  for (const char* name :
       {"layers.1.ffn.experts.0.w1", "layers.1.ffn.experts.3.w2", "layers.2.ffn.experts.5.w3"}) {
    checkpoint.tensor(std::string(name) + ".weight") = bf16.tensor(std::string(name) + ".weight");
    checkpoint.drop(std::string(name) + ".scale");
  }
  const TempFolder folder;
  checkpoint.write(folder.path());
  const GreedyRun resident = run_folder(folder.path(), StreamMode::kResident);
  ASSERT_EQ(resident.ids.size(), kFormNewTokens);
  EXPECT_TRUE(all_finite(resident.logits));
  expect_same_bits(run_folder(folder.path(), StreamMode::kMmap), resident, "mmap");
  expect_same_bits(run_folder(folder.path(), StreamMode::kDirect), resident, "direct");
}

}  // namespace
}  // namespace sluice
