#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "checkpoint/config_testing.h"
#include "checkpoint/safetensors_testing.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using sluice::testing::safetensors_file;
using sluice::testing::TempFolder;
using sluice::testing::TestTensor;
using sluice::testing::tiny_config;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTinyFolder = SLUICE_SOURCE_DIR "/models/tiny-v4";
constexpr const char* kIndexName = "model.safetensors.index.json";

const std::string kFirstShard =
    safetensors_file({{"a", DType::kBF16, {2, 3}, ""}, {"b", DType::kF32, {4}, ""}});
const std::string kSecondShard = safetensors_file({{"c", DType::kI8, {8}, ""}});
constexpr const char* kIndex =
    R"({"weight_map":{"a":"m1.safetensors","b":"m1.safetensors","c":"m2.safetensors"}})";

// A folder that opens: a config, an index and two shards. Tests overwrite or remove parts of it.
class CheckpointFolder : public ::testing::Test {
 protected:
  CheckpointFolder() {
    folder_.write("config.json", tiny_config().dump());
    folder_.write("m1.safetensors", kFirstShard);
    folder_.write("m2.safetensors", kSecondShard);
    folder_.write(kIndexName, kIndex);
  }

  Result<Checkpoint> open() const { return Checkpoint::open(folder_.path()); }
  // The message of the refusal; empty when it opens.
  std::string refusal() const {
    const auto opened = open();
    return opened ? "" : opened.error().message;
  }
  ErrorCode refusal_code() const {
    const auto opened = open();
    return opened ? ErrorCode::kInternal : opened.error().code;
  }
  void remove(const char* name) const { fs::remove(folder_.path() / name); }

  TempFolder folder_;
};

TEST(Checkpoint, OpensTinyV4) {
  const auto opened = Checkpoint::open(kTinyFolder);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->files().size(), 3u);
  EXPECT_EQ(opened->files()[1].filename(), "model-00002-of-00003.safetensors");
  EXPECT_EQ(opened->tensors().size(), 3787u);
  EXPECT_EQ(opened->tensor_bytes(), 22792433u);  // the index's metadata.total_size
  EXPECT_EQ(opened->config().num_hidden_layers, 8u);
  EXPECT_EQ(opened->folder(), kTinyFolder);
  EXPECT_EQ(opened->tokenizer_path(), fs::path(kTinyFolder) / "tokenizer.json");
}

TEST(Checkpoint, FindsTinyV4sTensors) {
  const auto opened = Checkpoint::open(kTinyFolder);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto table = opened->require("layers.1.ffn.gate.tid2eid", {DType::kI64}, {2048, 6});
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ((*table)->extent, (Extent{0, 8 + 100672 + 98304, 98304}));
  for (const TensorInfo& tensor : opened->tensors()) EXPECT_EQ(opened->find(tensor.name), &tensor);
  EXPECT_EQ(opened->find("layers.1.ffn.gate.bias"), nullptr);
  EXPECT_EQ(opened->find(""), nullptr);
}

TEST_F(CheckpointFolder, KeepsItsTensorsWhenItIsMoved) {
  auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  const TensorInfo* before = opened->find("b");
  const Checkpoint moved = std::move(*opened);
  EXPECT_EQ(moved.find("b"), before);
  EXPECT_EQ(before->name, "b");
}

TEST_F(CheckpointFolder, RequireReturnsATensorOfTheRightTypeAndShape) {
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(*opened->require("a", {DType::kF32, DType::kBF16}, {2, 3}), opened->find("a"));
}

TEST_F(CheckpointFolder, RequireNamesFileTensorFoundAndExpected) {
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  const auto wrong_shape = opened->require("a", {DType::kBF16, DType::kF8E4M3}, {3, 2});
  ASSERT_FALSE(wrong_shape);
  EXPECT_EQ(wrong_shape.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(wrong_shape.error().message,
            "m1.safetensors: tensor a is BF16 [2, 3]; BF16 or F8_E4M3 [3, 2] was expected");
  const auto wrong_type = opened->require("c", {DType::kU8}, {8});
  ASSERT_FALSE(wrong_type);
  EXPECT_EQ(wrong_type.error().message, "m2.safetensors: tensor c is I8 [8]; U8 [8] was expected");
}

TEST(Checkpoint, RequireSuggestsTheNameThatWasMeant) {
  const auto opened = Checkpoint::open(kTinyFolder);
  ASSERT_TRUE(opened) << opened.error().message;
  const auto misspelt = opened->require("layers.2.atn.wkv.weight", {DType::kBF16}, {64, 256});
  ASSERT_FALSE(misspelt);
  EXPECT_EQ(misspelt.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(misspelt.error().message,
              AllOf(HasSubstr("no tensor layers.2.atn.wkv.weight; BF16 [64, 256] was expected"),
                    HasSubstr("there is one named layers.2.attn.wkv.weight")));
  const auto far = opened->require("nothing.like.it", {DType::kF32}, {1});
  ASSERT_FALSE(far);
  EXPECT_THAT(far.error().message, Not(HasSubstr("there is one")));
}

TEST_F(CheckpointFolder, OpensWithoutATokenizer) {
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_FALSE(opened->tokenizer_path());
  folder_.write("tokenizer.json", "{}");
  EXPECT_EQ(opened->tokenizer_path(), folder_.path() / "tokenizer.json");
}

TEST_F(CheckpointFolder, OpensASingleFileWithoutAnIndex) {
  remove(kIndexName);
  folder_.write("model.safetensors", kSecondShard);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->tensors().size(), 1u);
  EXPECT_NE(opened->find("c"), nullptr);
}

TEST_F(CheckpointFolder, OpensLoneShardsWithoutAnIndex) {
  remove(kIndexName);
  folder_.write("model-00001-of-00002.safetensors", kFirstShard);
  folder_.write("model-00002-of-00002.safetensors", kSecondShard);
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->tensors().size(), 3u);
  EXPECT_EQ(opened->files()[opened->find("c")->extent.file].filename(), "model-00002-of-00002.safetensors");
}

TEST_F(CheckpointFolder, OpensShardsThatAreLinks) {
  fs::rename(folder_.path() / "m2.safetensors", folder_.path() / "blob");
  fs::create_symlink("blob", folder_.path() / "m2.safetensors");
  EXPECT_EQ(refusal(), "");
}

TEST_F(CheckpointFolder, OpensManyTensorsAndFindsThemAll) {
  std::vector<TestTensor> tensors;
  for (int i = 0; i < 66000; ++i)
    tensors.push_back({fmt::format("layers.0.experts.{}.w", i), DType::kI8, {1}, ""});
  remove(kIndexName);
  folder_.write("model.safetensors", safetensors_file(tensors));
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->tensors().size(), 66000u);
  for (const TestTensor& tensor : tensors) ASSERT_NE(opened->find(tensor.name), nullptr) << tensor.name;
}

TEST(Checkpoint, SaysThatThereIsNoFolder) {
  const auto opened = Checkpoint::open("/nonexistent/model");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(opened.error().message, "/nonexistent/model: no such folder");
}

TEST(Checkpoint, SaysThatAFileIsNotAFolder) {
  const auto opened = Checkpoint::open(std::string(kTinyFolder) + "/config.json");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(opened.error().message, HasSubstr("config.json: not a folder"));
}

TEST_F(CheckpointFolder, SaysThatThereIsNoConfig) {
  remove("config.json");
  EXPECT_EQ(refusal_code(), ErrorCode::kNotFound);
  EXPECT_THAT(refusal(), HasSubstr(": no config.json; a model's folder holds"));
}

TEST_F(CheckpointFolder, NamesABrokenConfig) {
  folder_.write("config.json", "");
  EXPECT_THAT(refusal(), HasSubstr("config.json: empty"));
  folder_.write("config.json", "{}");
  EXPECT_THAT(refusal(), HasSubstr("config.json: vocab_size is missing"));
}

TEST_F(CheckpointFolder, NamesAnEmptyIndex) {
  folder_.write(kIndexName, "");
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors.index.json: empty"));
}

TEST_F(CheckpointFolder, SaysThatThereAreNoTensors) {
  remove(kIndexName);
  EXPECT_EQ(refusal_code(), ErrorCode::kNotFound);
  EXPECT_THAT(refusal(), HasSubstr("no tensors"));
}

TEST_F(CheckpointFolder, NamesAShardThatIsMissing) {
  remove("m2.safetensors");
  EXPECT_EQ(refusal_code(), ErrorCode::kNotFound);
  EXPECT_THAT(refusal(), HasSubstr("m2.safetensors: this shard vanished or was not downloaded"));
}

TEST_F(CheckpointFolder, NamesAShardThatIsNotAFile) {
  remove("m2.safetensors");
  fs::create_directory(folder_.path() / "m2.safetensors");
  EXPECT_THAT(refusal(), HasSubstr("m2.safetensors: not a file"));
  remove("m2.safetensors");
  ASSERT_EQ(::mkfifo((folder_.path() / "m2.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("m2.safetensors: not a file"));
}

TEST_F(CheckpointFolder, NamesAShardThatIsCutShort) {
  folder_.write("m2.safetensors", kSecondShard.substr(0, kSecondShard.size() - 1));
  EXPECT_EQ(refusal_code(), ErrorCode::kCorrupt);
  EXPECT_THAT(refusal(), AllOf(HasSubstr("m2.safetensors: tensor c ends at byte"), HasSubstr("cut short")));
}

TEST_F(CheckpointFolder, NamesAnEmptyShard) {
  folder_.write("m2.safetensors", "");
  EXPECT_THAT(refusal(), HasSubstr("m2.safetensors: 0 bytes are too few"));
}

TEST_F(CheckpointFolder, NamesATensorThatItsShardDoesNotHave) {
  folder_.write(kIndexName, R"({"weight_map":{"a":"m1.safetensors","d":"m2.safetensors"}})");
  EXPECT_EQ(refusal(), "m2.safetensors: tensor d is not in it, though the index says so");
}

TEST_F(CheckpointFolder, NamesATensorThatIsInAnotherShard) {
  folder_.write(kIndexName,
                R"({"weight_map":{"a":"m2.safetensors","b":"m1.safetensors","c":"m2.safetensors"}})");
  EXPECT_EQ(refusal(), "tensor a is in m1.safetensors; the index says m2.safetensors");
}

TEST_F(CheckpointFolder, RefusesATensorThatStandsInTwoShards) {
  folder_.write("m2.safetensors", kFirstShard);
  folder_.write(kIndexName, R"({"weight_map":{"a":"m1.safetensors","b":"m2.safetensors"}})");
  EXPECT_EQ(refusal(), "tensor a stands in two shards, m1.safetensors and m2.safetensors");
}

TEST_F(CheckpointFolder, WarnsOnceOfTensorsThatTheIndexDoesNotListAndIgnoresThem) {
  folder_.write(kIndexName, R"({"weight_map":{"b":"m1.safetensors"}})");
  folder_.write(
      "m1.safetensors",
      safetensors_file({{"a", DType::kI8, {1}, ""}, {"b", DType::kI8, {2}, ""}, {"c", DType::kI8, {4}, ""}}));
  ::testing::internal::CaptureStderr();
  const auto opened = open();
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->tensors().size(), 1u);
  EXPECT_EQ(opened->find("a"), nullptr);
  EXPECT_NE(opened->find("b"), nullptr);
  EXPECT_EQ(opened->tensor_bytes(), 2u);
  EXPECT_THAT(log,
              HasSubstr("2 tensors are not in the index and are ignored; the first is a in m1.safetensors"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);
}

}  // namespace
}  // namespace sluice
