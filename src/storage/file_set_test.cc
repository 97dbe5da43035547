#include "storage/file_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/memory.h"
#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(FileSet, AMissingFileIsNamed) {
  TempDir dir;
  const std::vector<FileSpec> specs = {dir.write("a", bytes_of(1, 10)), {dir.path() / "gone", 10}};
  for (const FileAccess access : {FileAccess::kBuffered, FileAccess::kDirect}) {
    const auto files = FileSet::open(specs, access);
    ASSERT_FALSE(files.has_value());
    EXPECT_EQ(files.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(files.error().message, HasSubstr((dir.path() / "gone").string()));
  }
}

TEST(FileSet, AFileOfAnotherSizeIsCorruptAndBothSizesAreNamed) {
  TempDir dir;
  FileSpec spec = dir.write("short.safetensors", bytes_of(1, 1000));
  spec.size_bytes = 2000;
  const auto files = FileSet::open(std::vector{spec}, FileAccess::kDirect);
  ASSERT_FALSE(files.has_value());
  EXPECT_EQ(files.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(files.error().message,
              testing::AllOf(HasSubstr("short.safetensors"), HasSubstr("1000"), HasSubstr("2000")));
}

TEST(FileSet, BufferedReadsHaveNoAlignment) {
  TempDir dir;
  const std::vector<FileSpec> specs = {dir.write("a", bytes_of(1, 5000)), dir.write("b", bytes_of(2, 5000))};
  const auto files = FileSet::open(specs, FileAccess::kBuffered);
  ASSERT_TRUE(files.has_value());
  EXPECT_FALSE(files->is_direct());
  EXPECT_EQ(files->alignment_bytes(), 1u);
  std::vector<std::byte> into(777);
  ASSERT_EQ(files->read(1, 1234, into, 777).value(), 777u);
  const auto expected = bytes_of(2, 5000);
  EXPECT_TRUE(std::equal(into.begin(), into.end(), expected.begin() + 1234));
}

TEST(FileSet, AlignedReadsBringTheWholeFileAlsoItsUnevenEnd) {
  TempDir dir;
  const auto content = bytes_of(3, 3 * 4096 + 17);
  const auto files = FileSet::open(std::vector{dir.write("a", content)}, FileAccess::kDirect);
  ASSERT_TRUE(files.has_value());
  const size_t alignment = std::max<size_t>(files->alignment_bytes(), 512);
  auto memory = MappedMemory::allocate(round_up(content.size(), alignment));
  ASSERT_TRUE(memory.has_value());
  const auto arrived = files->read(0, 0, memory->bytes(), content.size());
  ASSERT_TRUE(arrived.has_value()) << arrived.error().message;
  EXPECT_EQ(*arrived, content.size());
  EXPECT_TRUE(std::equal(content.begin(), content.end(), memory->data()));
}

TEST(FileSet, AReadBehindTheEndNamesFileAndOffset) {
  TempDir dir;
  const auto files =
      FileSet::open(std::vector{dir.write("tail.bin", bytes_of(3, 4096))}, FileAccess::kDirect);
  ASSERT_TRUE(files.has_value());
  auto memory = MappedMemory::allocate(8192);
  ASSERT_TRUE(memory.has_value());
  const auto arrived = files->read(0, 0, memory->bytes(), 4097);
  ASSERT_FALSE(arrived.has_value());
  EXPECT_EQ(arrived.error().code, ErrorCode::kIo);
  EXPECT_THAT(arrived.error().message,
              testing::AllOf(HasSubstr("tail.bin"), HasSubstr("at byte 0"), HasSubstr("4096")));
}

// A regular file on a file system without direct reads, or an empty path.
std::filesystem::path file_without_direct_reads() {
  for (const char* path : {"/sys/kernel/btf/vmlinux", "/sys/kernel/notes"}) {
    std::error_code error;
    if (std::filesystem::file_size(path, error) > 0 && !error) return path;
  }
  return {};
}

TEST(FileSet, WhereDirectReadsAreRefusedAllIsBufferedAndOneLineSaysSo) {
  const std::filesystem::path refusing = file_without_direct_reads();
  if (refusing.empty()) GTEST_SKIP() << "no file system here refuses direct reads";
  TempDir dir;
  const std::vector<FileSpec> specs = {dir.write("a", bytes_of(1, 4096)),
                                       {refusing, std::filesystem::file_size(refusing)},
                                       {refusing, std::filesystem::file_size(refusing)}};
  testing::internal::CaptureStderr();
  const auto files = FileSet::open(specs, FileAccess::kDirect);
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(files.has_value()) << files.error().message;
  EXPECT_FALSE(files->is_direct());
  EXPECT_THAT(files->direct_refusal(), HasSubstr(refusing.string()));
  EXPECT_EQ(files->alignment_bytes(), 1u);
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
  EXPECT_THAT(log, HasSubstr(refusing.string()));
  std::vector<std::byte> into(3);
  EXPECT_TRUE(files->read(0, 1, into, 3).has_value());
  EXPECT_EQ(into[0], byte_at(1, 1));
}

}  // namespace
}  // namespace sluice
