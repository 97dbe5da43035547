#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sluice {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// A folder of its own for each test, gone when the test ends.
class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sluice_file_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  fs::path folder_;
};

std::string read_at(const File& file, uint64_t offset_bytes, size_t size_bytes) {
  std::string text(size_bytes, '?');
  const Status status = file.read_exactly(offset_bytes, std::as_writable_bytes(std::span(text)));
  return status ? text : status.error().message;
}

TEST_F(FileTest, ReadsAnyRangeOfTheFile) {
  const auto file = File::open_read(write("a", "0123456789"));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->size_bytes().value_or(0), 10U);
  EXPECT_EQ(read_at(*file, 0, 10), "0123456789");
  EXPECT_EQ(read_at(*file, 7, 3), "789");
  EXPECT_EQ(read_at(*file, 10, 0), "");
}

TEST_F(FileTest, RefusesARangeThatGoesPastTheEnd) {
  const auto file = File::open_read(write("short", "0123456789"));
  ASSERT_TRUE(file.has_value());
  std::array<std::byte, 8> into{};
  const Status status = file->read_exactly(5, into);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(status.error().message, "the file ends at byte 10, 8 bytes were expected from byte 5");
  EXPECT_FALSE(file->read_exactly(11, into).has_value());
  EXPECT_FALSE(file->read_exactly(~uint64_t{0} - 3, into).has_value());
}

TEST_F(FileTest, NamesAMissingFile) {
  for (const fs::path& path :
       {folder_ / "missing", folder_ / "no" / "folder", write("plain", "") / "below"}) {
    const auto file = File::open_read(path);
    ASSERT_FALSE(file.has_value()) << path;
    EXPECT_EQ(file.error().code, ErrorCode::kNotFound) << path;
    EXPECT_THAT(file.error().message, HasSubstr(path.string()));
  }
}

TEST_F(FileTest, RefusesToTakeADirectoryForAFile) {
  const auto text = read_text_file(folder_, 100);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.error().message, folder_.string() + ": not a regular file");
}

TEST_F(FileTest, ClosesItsDescriptorOnceAndHandsItOverWhenMoved) {
  auto opened = File::open_read(write("a", "abc"));
  ASSERT_TRUE(opened.has_value());
  const int descriptor = opened->descriptor();
  {
    File taken = std::move(*opened);
    EXPECT_EQ(taken.descriptor(), descriptor);
    EXPECT_EQ(opened->descriptor(), -1);
    File assigned;
    assigned = std::move(taken);
    EXPECT_EQ(read_at(assigned, 0, 3), "abc");
  }
  EXPECT_EQ(::lseek(descriptor, 0, SEEK_CUR), -1);  // closed
}

TEST_F(FileTest, AClosedFileFailsToRead) {
  const File file;
  EXPECT_EQ(file.size_bytes().error().code, ErrorCode::kIo);
  std::array<std::byte, 1> into{};
  EXPECT_EQ(file.read_exactly(0, into).error().code, ErrorCode::kIo);
}

TEST_F(FileTest, ReadsTextWithZeroBytesInIt) {
  const std::string text("a\0b\r\n", 5);
  EXPECT_EQ(read_text_file(write("a", text), 5).value_or("failed"), text);
  EXPECT_EQ(read_text_file(write("empty", ""), 0).value_or("failed"), "");
}

TEST_F(FileTest, RefusesTextAboveTheLimitAndSaysBothSizes) {
  const fs::path path = write("big", "123456");
  const auto text = read_text_file(path, 5);
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.error().message, path.string() + ": 6 bytes, more than the 5 that such a file may have");
}

}  // namespace
}  // namespace sluice
