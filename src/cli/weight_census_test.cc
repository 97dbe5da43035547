#include "cli/weight_census.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/checkpoint.h"
#include "cli/inspection.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

TEST(WeightCensus, KnowsWhatEveryTensorIsFor) {
  EXPECT_EQ(weight_kind_of("embed.weight"), WeightKind::kEmbedding);
  EXPECT_EQ(weight_kind_of("head.weight"), WeightKind::kHead);
  EXPECT_EQ(weight_kind_of("hc_head_fn"), WeightKind::kHyperConnection);
  EXPECT_EQ(weight_kind_of("layers.12.hc_attn_scale"), WeightKind::kHyperConnection);
  EXPECT_EQ(weight_kind_of("layers.12.attn.wq_b.scale"), WeightKind::kAttention);
  EXPECT_EQ(weight_kind_of("layers.12.attn.q_norm.weight"), WeightKind::kNorm);
  EXPECT_EQ(weight_kind_of("layers.12.attn.compressor.norm.weight"), WeightKind::kCompressor);
  EXPECT_EQ(weight_kind_of("layers.12.attn.indexer.compressor.wkv.weight"), WeightKind::kIndexer);
  EXPECT_EQ(weight_kind_of("layers.12.ffn.gate.bias"), WeightKind::kRouter);
  EXPECT_EQ(weight_kind_of("layers.0.ffn.gate.tid2eid"), WeightKind::kRouterTable);
  EXPECT_EQ(weight_kind_of("layers.12.ffn.experts.255.w2.scale"), WeightKind::kRoutedExpert);
  EXPECT_EQ(weight_kind_of("layers.12.ffn.shared_experts.w1.weight"), WeightKind::kSharedExpert);
  EXPECT_EQ(weight_kind_of("mtp.0.ffn.experts.3.w1.weight"), WeightKind::kMtpRoutedExpert);
  EXPECT_EQ(weight_kind_of("mtp.0.norm.weight"), WeightKind::kMtp);
  EXPECT_EQ(weight_kind_of("lm_head.weight"), WeightKind::kOther);
}

TEST(WeightCensus, AccountsForEveryByteOfACheckpoint) {
  const auto checkpoint = Checkpoint::open(SLUICE_SOURCE_DIR "/models/tiny-v4");
  ASSERT_TRUE(checkpoint);
  const WeightCensus census = count_weights(checkpoint->tensors());
  uint64_t bytes = 0;
  for (const WeightCount& count : census.kinds) bytes += count.bytes;
  EXPECT_EQ(bytes, checkpoint->tensor_bytes());
  EXPECT_EQ(census.of(WeightKind::kOther).tensors, 0u);
  EXPECT_THAT(census.of(WeightKind::kRoutedExpert).formats, ElementsAre("MXFP4"));
  EXPECT_THAT(census.of(WeightKind::kSharedExpert).formats, ElementsAre("FP8"));
}

TEST(Inspection, WorksOutWhatATokenUsesAndWhatFits) {
  const auto found = inspect_checkpoint(SLUICE_SOURCE_DIR "/models/tiny-v4", 0, 1'000'000'000);
  ASSERT_TRUE(found) << found.error().message;
  // 8 layers of 6 experts; an expert is three matrices of 64 x 256 in 4 bits, and a byte of scale for every
  // 32 values.
  EXPECT_EQ(found->expert_bytes, 3u * 64 * 256 / 2 + 3 * 64 * 256 / 32);
  EXPECT_EQ(found->routed_bytes_per_token, 8 * 6 * found->expert_bytes);
  EXPECT_EQ(found->experts, 9u * 64);  // with MTP's
  EXPECT_EQ(found->context_tokens, 32768u);
  ASSERT_EQ(found->choices.size(), 4u);
  EXPECT_EQ(found->choices.front().slots, 57u);
  EXPECT_EQ(found->choices.back().total_bytes, found->whole.total_bytes());
  EXPECT_LT(found->kv_bytes_1000, found->kv_bytes_full);
  ASSERT_TRUE(found->automatic);
  EXPECT_EQ(found->automatic->slots, 576u);
}

TEST(Inspection, SaysWhyNothingFits) {
  const auto found = inspect_checkpoint(SLUICE_SOURCE_DIR "/models/tiny-v4", 0, 1'000'000);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_FALSE(found->automatic);
  EXPECT_THAT(found->does_not_fit, ::testing::HasSubstr("1.00 MB"));
}

}  // namespace
}  // namespace sluice
