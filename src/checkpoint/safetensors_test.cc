#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "checkpoint/safetensors_testing.h"

namespace sluice {
namespace {

using sluice::testing::read_whole;
using sluice::testing::safetensors_file;
using sluice::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kPlentyBytes = 1'000'000;

Result<std::vector<TensorInfo>> parse_header(const std::string& header, uint64_t data_bytes = kPlentyBytes) {
  return parse_safetensors_header(header, {"shard.safetensors", 7, 8 + header.size() + data_bytes});
}

// One F32 tensor "a" of that shape and those offsets.
std::string one_tensor(const std::string& shape, const std::string& offsets) {
  return fmt::format(R"({{"a":{{"dtype":"F32","shape":{},"data_offsets":{}}}}})", shape, offsets);
}

// The message of a refusal, which must be kCorrupt and name the file; empty when nothing was refused.
std::string header_refusal(const std::string& header, uint64_t data_bytes = kPlentyBytes) {
  const auto parsed = parse_header(header, data_bytes);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(parsed.error().message, HasSubstr("shard.safetensors: "));
  return parsed.error().message;
}

std::string read_refusal(const std::filesystem::path& path) {
  const auto read = read_safetensors(path, 0);
  return read ? "" : read.error().message;
}

TEST(SafetensorsHeader, ListsTensorsInFileOrderWithOffsetsFromTheStartOfTheFile) {
  const std::string header =
      R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},"c":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";
  const auto tensors = parse_header(header, 20);
  ASSERT_TRUE(tensors) << tensors.error().message;
  const uint64_t data = 8 + header.size();
  EXPECT_EQ(*tensors, (std::vector<TensorInfo>{{"c", DType::kI64, {}, {7, data, 8}},
                                               {"b", DType::kBF16, {2, 3}, {7, data + 8, 12}}}));
}

TEST(SafetensorsHeader, ReadsEveryStoredTypeOfTheReferenceOutputs) {
  const std::string header = read_whole(SLUICE_SOURCE_DIR "/tests/data/checkpoint/reference_header.json");
  const auto tensors = parse_safetensors_header(header, {"reference.safetensors", 0, 6373400});
  ASSERT_TRUE(tensors) << tensors.error().message;
  EXPECT_EQ(tensors->size(), 121u);
  const auto count = [&tensors](DType dtype) {
    return std::count_if(tensors->begin(), tensors->end(),
                         [dtype](const auto& t) { return t.dtype == dtype; });
  };
  EXPECT_EQ(count(DType::kF32), 78);
  EXPECT_EQ(count(DType::kI16), 24);
  EXPECT_EQ(count(DType::kI32), 9);
  EXPECT_EQ(count(DType::kI64), 10);
  EXPECT_EQ(tensors->front().name, "long.input_ids");
  EXPECT_EQ(tensors->front().extent, (Extent{0, 8 + 10592, 12000}));
  EXPECT_EQ(tensors->back().extent.end_bytes(), 6373400u);
}

TEST(SafetensorsHeader, AcceptsSpacesAfterTheHeader) {
  const auto tensors = parse_header(one_tensor("[2]", "[0,8]") + "    ", 8);
  ASSERT_TRUE(tensors) << tensors.error().message;
  EXPECT_EQ(tensors->size(), 1u);
}

TEST(SafetensorsHeader, AcceptsNoTensors) {
  EXPECT_EQ(header_refusal("{}", 0), "");
  EXPECT_EQ(header_refusal(R"({"__metadata__":{}})", 0), "");
}

TEST(SafetensorsHeader, AcceptsEmptyTensorsAnywhere) {
  EXPECT_EQ(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                        "e":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]},
                        "f":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}})",
                           8),
            "");
}

TEST(SafetensorsHeader, AcceptsGapsAndBytesAfterTheLastTensor) {
  EXPECT_EQ(header_refusal(one_tensor("[2]", "[40,48]"), 100), "");
}

TEST(SafetensorsHeader, DropsMetadataButChecksIt) {
  const auto tensors = parse_header(R"({"__metadata__":{"format":"pt"}})");
  ASSERT_TRUE(tensors);
  EXPECT_TRUE(tensors->empty());
  EXPECT_THAT(header_refusal(R"({"__metadata__":[]})"), HasSubstr("__metadata__ is array"));
  EXPECT_THAT(header_refusal(R"({"__metadata__":{"step":3}})"), HasSubstr("\"step\" is number"));
}

TEST(SafetensorsHeader, RejectsWhatIsNotAHeader) {
  EXPECT_THAT(header_refusal(""), HasSubstr("does not begin with a brace"));
  EXPECT_THAT(header_refusal(" {}"), HasSubstr("does not begin with a brace"));
  EXPECT_THAT(header_refusal("{\"a\""), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal(R"({"a":3})"), HasSubstr("tensor a is number; an object was expected"));
}

TEST(SafetensorsHeader, RejectsNamesThatStandTwice) {
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                          "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
              HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
              HasSubstr("\"dtype\" stands twice"));
}

TEST(SafetensorsHeader, RejectsDeepNesting) {
  EXPECT_THAT(header_refusal("{\"a\":" + std::string(1'000'000, '[')), HasSubstr("levels deep"));
}

TEST(SafetensorsHeader, NamesTheTensorOfAnUnknownType) {
  const auto parsed = parse_header(R"({"x.weight":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(parsed.error().message,
              AllOf(HasSubstr("shard.safetensors: tensor x.weight"), HasSubstr("\"F4\"")));
}

TEST(SafetensorsHeader, RejectsMissingAndMistypedFields) {
  EXPECT_THAT(header_refusal(R"({"a":{"shape":[1],"data_offsets":[0,4]}})"),
              HasSubstr("tensor a has no \"dtype\""));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})"),
              HasSubstr("tensor a has no \"dtype\""));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})"),
              HasSubstr("tensor a has no \"shape\""));
  EXPECT_THAT(header_refusal(one_tensor("1", "[0,4]")), HasSubstr("tensor a has no \"shape\""));
  EXPECT_THAT(header_refusal(one_tensor("[-1]", "[0,4]")), HasSubstr("tensor a has no \"shape\""));
  EXPECT_THAT(header_refusal(one_tensor("[1.0]", "[0,4]")), HasSubstr("tensor a has no \"shape\""));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[1]}})"),
              HasSubstr("tensor a has no \"data_offsets\""));
  EXPECT_THAT(header_refusal(one_tensor("[1]", "[0,\"4\"]")), HasSubstr("tensor a has no \"data_offsets\""));
}

TEST(SafetensorsHeader, RejectsOffsetsThatAreNotARange) {
  EXPECT_THAT(header_refusal(one_tensor("[1]", "[0,4,8]")),
              HasSubstr("tensor a has the data_offsets [0, 4, 8]"));
  EXPECT_THAT(header_refusal(one_tensor("[0]", "[0]")), HasSubstr("tensor a has the data_offsets [0]"));
  EXPECT_THAT(header_refusal(one_tensor("[1]", "[8,4]")), HasSubstr("tensor a has the data_offsets [8, 4]"));
  EXPECT_THAT(header_refusal(one_tensor("[1]", "[18446744073709551611,18446744073709551615]")),
              HasSubstr("tensor a has the data_offsets"));
}

TEST(SafetensorsHeader, RejectsASizeThatIsNotTheShapes) {
  EXPECT_THAT(header_refusal(one_tensor("[2,3]", "[0,20]")),
              HasSubstr("tensor a is F32 [2, 3], 24 bytes; its data_offsets hold 20"));
}

TEST(SafetensorsHeader, RejectsShapesThatOverflow) {
  EXPECT_THAT(header_refusal(one_tensor("[4294967296,4294967296]", "[0,0]")), HasSubstr("64 bits"));
  EXPECT_THAT(header_refusal(one_tensor("[4611686018427387904]", "[0,0]")), HasSubstr("64 bits"));
  EXPECT_THAT(header_refusal(one_tensor("[9223372036854775808,2,0]", "[0,0]")), HasSubstr("64 bits"));
}

TEST(SafetensorsHeader, RejectsOverlappingTensors) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},
                                 "b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_THAT(header_refusal(header), AllOf(HasSubstr("tensor a begins"), HasSubstr("inside tensor b")));
  const std::string around_an_empty_one = R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},
                                              "b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},
                                              "c":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})";
  EXPECT_THAT(header_refusal(around_an_empty_one),
              AllOf(HasSubstr("tensor c begins"), HasSubstr("inside tensor a")));
}

TEST(SafetensorsHeader, SaysThatAShardIsCutShort) {
  const std::string header = one_tensor("[2]", "[0,8]");
  EXPECT_EQ(header_refusal(header, 8), "");
  EXPECT_EQ(
      header_refusal(header, 7),
      fmt::format(
          "shard.safetensors: tensor a ends at byte {}, the file has {}: the shard is cut short; copy or "
          "download it again",
          16 + header.size(), 15 + header.size()));
}

TEST(SafetensorsFile, ReadsWhatWasWritten) {
  const TempFolder folder;
  const auto path =
      folder.write("x.safetensors",
                   safetensors_file({{"a", DType::kF8E8M0, {3}, "abc"}, {"b", DType::kI8, {2, 2}, "defg"}}));
  const auto tensors = read_safetensors(path, 2);
  ASSERT_TRUE(tensors) << tensors.error().message;
  ASSERT_EQ(tensors->size(), 2u);
  const std::string file = read_whole(path);
  EXPECT_EQ(file.substr((*tensors)[0].extent.offset_bytes, (*tensors)[0].extent.size_bytes), "abc");
  EXPECT_EQ(file.substr((*tensors)[1].extent.offset_bytes, (*tensors)[1].extent.size_bytes), "defg");
  EXPECT_EQ((*tensors)[1].extent.file, 2u);
}

TEST(SafetensorsFile, RefusesFilesThatAreTooSmall) {
  const TempFolder folder;
  EXPECT_THAT(read_refusal(folder.write("x.safetensors", "")),
              HasSubstr("x.safetensors: 0 bytes are too few"));
  EXPECT_THAT(read_refusal(folder.write("x.safetensors", "1234567")),
              HasSubstr("x.safetensors: 7 bytes are too few"));
}

TEST(SafetensorsFile, RefusesAHeaderThatTheFileDoesNotHold) {
  const TempFolder folder;
  const std::string whole = safetensors_file("{}   ", "");
  EXPECT_EQ(read_refusal(folder.write("x.safetensors", whole)), "");
  EXPECT_THAT(read_refusal(folder.write("x.safetensors", whole.substr(0, whole.size() - 1))),
              HasSubstr("x.safetensors: the header ends at byte 13, the file has 12: it is cut short"));
}

TEST(SafetensorsFile, RefusesAHeaderBeyondTheFormatsLimit) {
  const TempFolder folder;
  EXPECT_THAT(read_refusal(folder.write("x.safetensors", "\x01\xe1\xf5\x05" + std::string(60, '\0'))),
              HasSubstr("x.safetensors: a header of 100000001 bytes"));
  EXPECT_THAT(read_refusal(folder.write("x.safetensors", std::string(64, '\xff'))),
              HasSubstr("x.safetensors: a header of 18446744073709551615 bytes"));
}

TEST(SafetensorsFile, RecognisesAGitLfsPointer) {
  const TempFolder folder;
  EXPECT_THAT(
      read_refusal(folder.write("x.safetensors", "version https://git-lfs.github.com/spec/v1\nsize 3\n")),
      HasSubstr("x.safetensors: a Git LFS pointer"));
}

TEST(SafetensorsFile, NamesAMissingFile) {
  const auto read = read_safetensors("/nonexistent/x.safetensors", 0);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(read.error().message, HasSubstr("/nonexistent/x.safetensors"));
}

}  // namespace
}  // namespace sluice
