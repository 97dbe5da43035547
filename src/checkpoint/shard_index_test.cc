#include "checkpoint/shard_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors_testing.h"

namespace sluice {
namespace {

using sluice::testing::TempFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// The message with which an index is refused, which must be kCorrupt and name the file; empty when it is not.
std::string index_refusal(const std::string& json) {
  const auto index = parse_shard_index(json, "index.json");
  if (index) return "";
  EXPECT_EQ(index.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(index.error().message, HasSubstr("index.json: "));
  return index.error().message;
}

// An index that puts one tensor in a shard of that (JSON) name.
std::string one_entry(const std::string& shard) {
  return R"({"weight_map":{"x.weight":)" + shard + "}}";
}

TEST(ShardIndex, MapsTensorsToSortedFiles) {
  const auto index = parse_shard_index(
      R"({"metadata":{"total_size":9},"weight_map":{"b":"m2.safetensors","a":"m1.safetensors","c":"m1.safetensors"}})",
      "index.json");
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_THAT(index->files, ElementsAre("m1.safetensors", "m2.safetensors"));
  EXPECT_THAT(index->weight_map, ElementsAre(Pair("a", 0u), Pair("b", 1u), Pair("c", 0u)));
}

TEST(ShardIndex, RefusesAWeightMapThatIsMissingOrEmpty) {
  EXPECT_THAT(index_refusal("{}"), HasSubstr("weight_map is missing or empty"));
  EXPECT_THAT(index_refusal(R"({"weight_map":{}})"), HasSubstr("weight_map is missing or empty"));
  EXPECT_THAT(index_refusal(R"({"weight_map":["m.safetensors"]})"),
              HasSubstr("weight_map is missing or empty"));
}

TEST(ShardIndex, RefusesShardsOutsideTheFolder) {
  for (const std::string shard :
       {R"("../m.safetensors")", R"("/etc/m.safetensors")", R"("sub/m.safetensors")",
        R"("..\\m.safetensors")", R"("m\u0000/x.safetensors")", R"("..safetensors")", R"(".safetensors")",
        R"("..")", R"("")"}) {
    EXPECT_THAT(index_refusal(one_entry(shard)), AllOf(HasSubstr("x.weight"), HasSubstr("plain name")))
        << shard;
  }
}

TEST(ShardIndex, RefusesShardsThatAreNotSafetensorsNames) {
  EXPECT_THAT(index_refusal(one_entry("3")), HasSubstr("puts tensor x.weight in 3;"));
  EXPECT_THAT(index_refusal(one_entry("null")), HasSubstr("puts tensor x.weight in null;"));
  EXPECT_THAT(index_refusal(one_entry(R"("pytorch_model.bin")")),
              HasSubstr("puts tensor x.weight in \"pytorch_model.bin\";"));
}

TEST(ShardIndex, RefusesATensorThatStandsTwice) {
  EXPECT_THAT(index_refusal(R"({"weight_map":{"a":"m1.safetensors","a":"m2.safetensors"}})"),
              HasSubstr("\"a\" stands twice"));
}

TEST(FindShards, TakesTheIndexBeforeAnythingElse) {
  const TempFolder folder;
  folder.write("model.safetensors.index.json", one_entry("\"other.safetensors\""));
  folder.write("model.safetensors", "");
  const auto index = find_shards(folder.path());
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_THAT(index->files, ElementsAre("other.safetensors"));
}

TEST(FindShards, NamesABrokenIndexFile) {
  const TempFolder folder;
  folder.write("model.safetensors.index.json", "{");
  const auto index = find_shards(folder.path());
  ASSERT_FALSE(index);
  EXPECT_THAT(index.error().message, HasSubstr("model.safetensors.index.json: not valid JSON"));
}

TEST(FindShards, TakesTheSingleFileBeforeLoneShards) {
  const TempFolder folder;
  folder.write("model.safetensors", "");
  folder.write("model-00001-of-00002.safetensors", "");
  const auto index = find_shards(folder.path());
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_THAT(index->files, ElementsAre("model.safetensors"));
  EXPECT_THAT(index->weight_map, IsEmpty());
}

TEST(FindShards, TakesLoneShardsInOrderOfTheirNames) {
  const TempFolder folder;
  folder.write("model-00002-of-00002.safetensors", "");
  folder.write("model-00001-of-00002.safetensors", "");
  folder.write("reference.safetensors", "");
  folder.write("model.bin", "");
  const auto index = find_shards(folder.path());
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_THAT(index->files,
              ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
}

TEST(FindShards, SaysWhatItLookedForInAnEmptyFolder) {
  const TempFolder folder;
  const auto index = find_shards(folder.path());
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(index.error().message,
              AllOf(HasSubstr(folder.path().string()), HasSubstr("model.safetensors.index.json"),
                    HasSubstr("model*.safetensors")));
}

}  // namespace
}  // namespace sluice
