#include "model/bind_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>

#include "model/opened_model_testing.h"
#include "model/synthetic_checkpoint_testing.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace testing;

// Opens a synthetic model after `change` was done to it: the first error, or success.
Status open_changed(const SyntheticOptions& options,
                    const std::function<void(SyntheticCheckpoint&)>& change) {
  const TempFolder folder;
  SyntheticCheckpoint checkpoint(options);
  if (change) change(checkpoint);
  checkpoint.write(folder.path());
  OpenedModel opened;
  return open_model(folder.path(), 4, 1, opened);
}

void expect_refused(const Status& status, ErrorCode code, std::initializer_list<std::string> parts) {
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, code) << status.error().message;
  for (const std::string& part : parts) EXPECT_THAT(status.error().message, HasSubstr(part));
}

void reshape(TestTensor& tensor, std::vector<uint64_t> shape) {
  tensor.shape = std::move(shape);
  tensor.bytes.clear();
}

TEST(BindWeights, TakesEveryFormOfCheckpoint) {
  for (const DType experts : {DType::kI8, DType::kF8E4M3, DType::kBF16, DType::kF32}) {
    for (const DType dense : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
      SyntheticOptions options;
      options.expert_type = experts;
      options.dense_type = dense;
      options.mtp_layers = 1;
      options.table_type = dense == DType::kF32 ? DType::kI32 : DType::kI64;
      const Status status = open_changed(options, {});
      EXPECT_TRUE(status.has_value())
          << dtype_name(experts) << ", " << dtype_name(dense) << ": " << status.error().message;
    }
  }
}

TEST(BindWeights, NoTensorCanBeMissing) {
  // All but those of the other experts, which are bound by the same code.
  SyntheticOptions options;
  options.mtp_layers = 1;
  options.experts = options.experts_per_token;
  const TempFolder whole;
  SyntheticCheckpoint(options).write(whole.path());
  const auto checkpoint = Checkpoint::open(whole.path());
  ASSERT_TRUE(checkpoint.has_value());
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    const Status status =
        open_changed(options, [&](SyntheticCheckpoint& changed) { changed.drop(tensor.name); });
    expect_refused(status, ErrorCode::kNotFound, {"no tensor " + tensor.name + ";", "was expected"});
  }
}

TEST(BindWeights, NoTensorCanHaveAnotherShape) {
  SyntheticOptions options;
  options.mtp_layers = 1;
  options.experts = options.experts_per_token;
  const TempFolder whole;
  SyntheticCheckpoint(options).write(whole.path());
  const auto checkpoint = Checkpoint::open(whole.path());
  ASSERT_TRUE(checkpoint.has_value());
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    auto shape = tensor.shape;
    shape[0] += 1;
    const Status status = open_changed(
        options, [&](SyntheticCheckpoint& changed) { reshape(changed.tensor(tensor.name), shape); });
    expect_refused(status, ErrorCode::kCorrupt,
                   {"model.safetensors: tensor " + tensor.name, describe_shape(shape), "was expected"});
  }
}

TEST(BindWeights, AWrongTypeIsNamedWithWhatWasFoundAndExpected) {
  const auto retype = [](const char* name, DType type) {
    return [=](SyntheticCheckpoint& changed) {
      changed.tensor(name).dtype = type;
      changed.tensor(name).bytes.clear();
    };
  };
  expect_refused(
      open_changed({}, retype("embed.weight", DType::kF16)), ErrorCode::kCorrupt,
      {"model.safetensors: tensor embed.weight is F16 [67, 64]", "F8_E4M3 or BF16 or F32 [67, 64]"});
  expect_refused(open_changed({}, retype("layers.0.hc_attn_fn", DType::kF16)), ErrorCode::kCorrupt,
                 {"tensor layers.0.hc_attn_fn is F16", "F32 or BF16 [24, 256]"});
  expect_refused(open_changed({}, retype("layers.1.attn.attn_sink", DType::kI32)), ErrorCode::kCorrupt,
                 {"tensor layers.1.attn.attn_sink is I32 [2]", "F32 or BF16 [2]"});
  expect_refused(open_changed({}, retype("layers.0.ffn.gate.tid2eid", DType::kF32)), ErrorCode::kCorrupt,
                 {"tensor layers.0.ffn.gate.tid2eid is F32", "I64 or I32 [67, 2]"});
  expect_refused(open_changed({}, retype("layers.1.attn.wkv.scale", DType::kF32)), ErrorCode::kCorrupt,
                 {"tensor layers.1.attn.wkv.scale is F32", "F8_E8M0 or U8 [1, 1]"});
  expect_refused(open_changed({}, retype("layers.2.ffn.experts.5.w2.weight", DType::kI16)),
                 ErrorCode::kCorrupt,
                 {"tensor layers.2.ffn.experts.5.w2.weight is I16 [64, 16]", "was expected"});
}

TEST(BindWeights, ExpertsOfOneModelMayDifferInFormat) {
  const Status status = open_changed({}, [](SyntheticCheckpoint& changed) {
    TestTensor& fp8 = changed.tensor("layers.1.ffn.experts.3.w1.weight");
    fp8.dtype = DType::kF8E4M3;
    reshape(fp8, {32, 64});
    reshape(changed.tensor("layers.1.ffn.experts.3.w1.scale"), {1, 1});
    TestTensor& bf16 = changed.tensor("layers.1.ffn.experts.4.w2.weight");
    bf16.dtype = DType::kBF16;
    reshape(bf16, {64, 32});
    changed.drop("layers.1.ffn.experts.4.w2.scale");
  });
  EXPECT_TRUE(status.has_value()) << status.error().message;
}

TEST(BindWeights, MXFP4NeedsWholeBlocksOfColumns) {
  SyntheticOptions options;
  options.inner = 48;  // w2 then has 48 columns
  const Status status = open_changed(options, {});
  expect_refused(
      status, ErrorCode::kUnsupported,
      {"model.safetensors: tensor layers.0.ffn.experts.0.w2.weight", "48 columns", "multiple of 32"});
}

TEST(BindWeights, AHashTableNamesOnlyExpertsThatExist) {
  const auto poke = [](DType type, int64_t entry) {
    SyntheticOptions options;
    options.table_type = type;
    return open_changed(options, [&](SyntheticCheckpoint& changed) {
      // Row 40, second rank of two.
      const size_t size = dtype_size_bytes(type);
      std::memcpy(changed.tensor("layers.0.ffn.gate.tid2eid").bytes.data() + 81 * size, &entry, size);
    });
  };
  EXPECT_TRUE(poke(DType::kI64, 5).has_value());
  EXPECT_TRUE(poke(DType::kI32, 5).has_value());
  for (const DType type : {DType::kI64, DType::kI32}) {
    for (const int64_t entry : {int64_t{6}, int64_t{-1}}) {
      expect_refused(poke(type, entry), ErrorCode::kCorrupt,
                     {"model.safetensors: layers.0.ffn.gate.tid2eid: row 40", "experts 0 to 5"});
    }
  }
  // Its lower half alone would be a valid expert.
  expect_refused(poke(DType::kI64, (int64_t{1} << 32) + 2), ErrorCode::kCorrupt, {"row 40"});
}

TEST(BindWeights, MeasuringPlacesEveryDenseTensorOnceWithoutOverlap) {
  const TempFolder folder;
  SyntheticOptions options;
  options.shards = 3;
  options.mtp_layers = 1;
  SyntheticCheckpoint(options).write(folder.path());
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint.has_value());
  WeightBinder measure(*checkpoint, nullptr);
  ASSERT_TRUE(bind_weights(checkpoint->config(), measure).has_value());
  uint64_t end = 0;
  std::set<std::string> names;
  for (const DenseTensor& dense : measure.tensors()) {
    EXPECT_EQ(dense.arena_offset_bytes % 64, 0U);
    EXPECT_GE(dense.arena_offset_bytes, end);
    end = dense.arena_offset_bytes + dense.tensor->extent.size_bytes;
    EXPECT_TRUE(names.insert(dense.tensor->name).second) << dense.tensor->name;
  }
  EXPECT_LE(end, measure.arena_bytes());
  for (const TensorInfo& tensor : checkpoint->tensors()) {
    const bool is_routed = tensor.name.find(".experts.") != std::string::npos;
    EXPECT_NE(names.contains(tensor.name), is_routed) << tensor.name;
  }
}

TEST(ExpertStorage, MtpExpertsFollowTheLayers) {
  const TempFolder folder;
  SyntheticOptions options;
  options.mtp_layers = 1;
  SyntheticCheckpoint(options).write(folder.path());
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint.has_value());
  const auto storage = ExpertStorage::locate(*checkpoint);
  ASSERT_TRUE(storage.has_value());
  const ExpertCatalog& catalog = storage->catalog();
  EXPECT_EQ(catalog.expert_count(), 4U * 6U);
  EXPECT_EQ(catalog.parts(catalog.index({1, 2}))[0],
            checkpoint->find("layers.1.ffn.experts.2.w1.weight")->extent);
  EXPECT_EQ(catalog.parts(catalog.index({3, 5}))[5],
            checkpoint->find("mtp.0.ffn.experts.5.w2.scale")->extent);
}

}  // namespace
}  // namespace sluice
