#include "checkpoint/shard_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_testing.h"
#include "checkpoint/shard_index.h"

namespace sluice {
namespace {

using testing::read_whole;
using testing::TempFolder;

const std::vector<TensorInfo> kTensors = {{"layers.0.w.weight", DType::kI8, {3000, 1000}, {}},
                                          {"layers.0.w.scale", DType::kF8E8M0, {33, 5}, {}},
                                          {"layers.0.norm", DType::kBF16, {77}, {}},
                                          {"layers.1.w.weight", DType::kI8, {3000, 1001}, {}},
                                          {"layers.1.bias", DType::kF32, {3}, {}}};

// A byte that depends on the tensor and the place in it.
std::byte byte_of(const TensorInfo& tensor, uint64_t at) {
  return static_cast<std::byte>(tensor.name[7] * 31 + tensor.name.back() + static_cast<int>(at * 7 % 251));
}

ShardWriting writing() {
  ShardWriting writing;
  writing.fill = [](const TensorInfo& tensor, uint64_t offset_bytes, std::span<std::byte> into) {
    for (size_t i = 0; i < into.size(); ++i) into[i] = byte_of(tensor, offset_bytes + i);
  };
  return writing;
}

TEST(ShardWriter, WritesWhatTheReaderFindsAgain) {
  const TempFolder folder;
  const auto shards = lay_out_shards(kTensors, 3'100'000);
  ASSERT_TRUE(shards.has_value());
  ASSERT_EQ(shards->size(), 2U);
  ThreadPool pool(3);
  uint64_t written_bytes = 0;
  std::map<std::string, TensorInfo> found;
  for (const ShardLayout& shard : *shards) {
    ShardWriting how = writing();
    how.on_written = [&](uint64_t bytes) { written_bytes += bytes; };
    const Status done = write_shard(folder.path(), shard, how, pool);
    ASSERT_TRUE(done.has_value()) << done.error().message;
    const auto tensors = read_safetensors(folder.path() / shard.name, 0);
    ASSERT_TRUE(tensors.has_value()) << tensors.error().message;
    EXPECT_EQ(*tensors, shard.tensors);
    const std::string file = read_whole(folder.path() / shard.name);
    ASSERT_EQ(file.size(), shard.size_bytes);
    for (const TensorInfo& tensor : *tensors) {
      found[tensor.name] = tensor;
      for (uint64_t at = 0; at < tensor.extent.size_bytes; ++at) {
        ASSERT_EQ(static_cast<std::byte>(file[tensor.extent.offset_bytes + at]), byte_of(tensor, at))
            << tensor.name;
      }
    }
  }
  EXPECT_EQ(found.size(), kTensors.size());
  for (const TensorInfo& tensor : kTensors) EXPECT_EQ(found[tensor.name].shape, tensor.shape);
  EXPECT_EQ(written_bytes, (*shards)[0].size_bytes + (*shards)[1].size_bytes);
}

TEST(ShardWriter, TheIndexNamesEveryTensorsShard) {
  const auto shards = lay_out_shards(kTensors, 3'100'000);
  ASSERT_TRUE(shards.has_value());
  const auto index = parse_shard_index(shard_index_json(*shards), "index");
  ASSERT_TRUE(index.has_value()) << index.error().message;
  EXPECT_EQ(index->files, (std::vector<std::string>{"model-00001-of-00002.safetensors",
                                                    "model-00002-of-00002.safetensors"}));
  ASSERT_EQ(index->weight_map.size(), kTensors.size());
  EXPECT_EQ(index->weight_map[0], (std::pair<std::string, uint32_t>("layers.0.norm", 0)));
  EXPECT_EQ(index->weight_map.back(), (std::pair<std::string, uint32_t>("layers.1.w.weight", 1)));
}

TEST(ShardWriter, RefusesATensorThatNoShardHolds) {
  const auto shards = lay_out_shards(kTensors, 3'000'000);
  ASSERT_FALSE(shards.has_value());
  EXPECT_EQ(shards.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(shards.error().message, ::testing::HasSubstr("layers.1.w.weight"));
}

TEST(ShardWriter, StopsWhenAskedAndNeverOverwritesAFile) {
  const TempFolder folder;
  const auto shards = lay_out_shards(kTensors, 10'000'000);
  ASSERT_TRUE(shards.has_value());
  ThreadPool pool(1);
  std::stop_source asked;
  ShardWriting how = writing();
  how.cancel = asked.get_token();
  how.on_written = [&](uint64_t) { asked.request_stop(); };
  const Status stopped = write_shard(folder.path(), shards->front(), how, pool);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  const Status again = write_shard(folder.path(), shards->front(), writing(), pool);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kIo);
  EXPECT_THAT(again.error().message, ::testing::HasSubstr(shards->front().name));
}

}  // namespace
}  // namespace sluice
