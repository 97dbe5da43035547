#include "storage/read_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(ReadProgress, GoesOnAfterShortReadsWhereTheyStopped) {
  std::vector<std::byte> buffer(100);
  ReadProgress progress(1000, buffer, 100, 1);
  EXPECT_EQ(progress.next_offset_bytes(), 1000u);
  EXPECT_FALSE(progress.advance(30));
  EXPECT_EQ(progress.next_offset_bytes(), 1030u);
  EXPECT_EQ(progress.next_into().data(), buffer.data() + 30);
  EXPECT_EQ(progress.next_into().size(), 70u);
  EXPECT_TRUE(progress.advance(70));
  EXPECT_EQ(progress.result("f").value(), 100u);
}

TEST(ReadProgress, StepsBackToTheAlignmentAfterAnUnevenShortRead) {
  std::vector<std::byte> buffer(4096);
  ReadProgress progress(8192, buffer, 4096, 512);
  EXPECT_FALSE(progress.advance(700));
  EXPECT_EQ(progress.next_offset_bytes(), 8192u + 512u);
  EXPECT_EQ(progress.next_into().size(), 4096u - 512u);
  EXPECT_TRUE(progress.advance(4096 - 512));
  EXPECT_EQ(progress.result("f").value(), 4096u);
}

TEST(ReadProgress, InterruptionsAreNotTheEnd) {
  std::vector<std::byte> buffer(10);
  ReadProgress progress(0, buffer, 10, 1);
  EXPECT_FALSE(progress.advance(-EINTR));
  EXPECT_FALSE(progress.advance(4));
  EXPECT_FALSE(progress.advance(-EAGAIN));
  EXPECT_EQ(progress.next_offset_bytes(), 4u);
  EXPECT_TRUE(progress.advance(6));
  EXPECT_EQ(progress.result("f").value(), 10u);
}

TEST(ReadProgress, ADeviceThatIsBusyForEverIsAnError) {
  std::vector<std::byte> buffer(10);
  ReadProgress progress(0, buffer, 10, 1);
  int calls = 1;
  while (!progress.advance(-EAGAIN) && calls < 1'000'000) ++calls;
  ASSERT_LT(calls, 1'000'000);
  EXPECT_FALSE(progress.result("f").has_value());
}

TEST(ReadProgress, TheRestOfAnAlignedReadMayLieBehindTheEndOfTheFile) {
  std::vector<std::byte> buffer(4096);
  ReadProgress progress(4096, buffer, 100, 4096);
  EXPECT_TRUE(progress.advance(123));
  EXPECT_EQ(progress.result("f").value(), 123u);
}

TEST(ReadProgress, AFileThatEndsBeforeTheNeededBytesIsNamed) {
  std::vector<std::byte> buffer(4096);
  ReadProgress progress(4096, buffer, 200, 512);
  EXPECT_FALSE(progress.advance(123));
  EXPECT_EQ(progress.next_offset_bytes(), 4096u);
  EXPECT_TRUE(progress.advance(123)) << "the same bytes again are no progress";
  const auto result = progress.result("dir/model-1.safetensors");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kIo);
  EXPECT_EQ(result.error().message,
            "dir/model-1.safetensors: read of 4096 bytes at byte 4096: the file ends at byte 4219, at least "
            "4296 bytes "
            "were expected");
}

TEST(ReadProgress, OneDeviceErrorIsTriedAgainFromWhereTheReadStood) {
  std::vector<std::byte> buffer(100);
  ReadProgress progress(1000, buffer, 100, 1);
  EXPECT_FALSE(progress.advance(30));
  EXPECT_FALSE(progress.advance(-EIO));
  EXPECT_EQ(progress.next_offset_bytes(), 1030u);
  EXPECT_TRUE(progress.advance(70));
  EXPECT_EQ(progress.result("f").value(), 100u);
}

TEST(ReadProgress, ASecondDeviceErrorEndsTheReadAlsoAfterBytesCame) {
  std::vector<std::byte> buffer(100);
  ReadProgress progress(0, buffer, 100, 1);
  EXPECT_FALSE(progress.advance(-EIO));
  EXPECT_FALSE(progress.advance(30));
  EXPECT_TRUE(progress.advance(-EIO));
  EXPECT_FALSE(progress.result("f").has_value());
}

TEST(ReadProgress, OtherErrorsAreNotTriedAgain) {
  std::vector<std::byte> buffer(100);
  ReadProgress progress(0, buffer, 100, 1);
  EXPECT_TRUE(progress.advance(-EINVAL));
  EXPECT_FALSE(progress.result("f").has_value());
}

TEST(ReadProgress, ADeviceErrorNamesFileSizeAndOffset) {
  std::vector<std::byte> buffer(401408);
  ReadProgress progress(8192, buffer, 400000, 4096);
  EXPECT_FALSE(progress.advance(4096));
  EXPECT_FALSE(progress.advance(-EIO)) << "the first one is tried again";
  EXPECT_TRUE(progress.advance(-EIO));
  EXPECT_EQ(progress.result("model-00002-of-00003.safetensors").error().message,
            "model-00002-of-00003.safetensors: read of 401408 bytes at byte 8192: Input/output error");
}

}  // namespace
}  // namespace sluice
