#include "storage/mapped_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr size_t kMappedBytes = 300'000;

MappedFiles open_or_die(const std::vector<FileSpec>& specs) {
  auto files = MappedFiles::open(specs);
  if (!files) ADD_FAILURE() << files.error().message;
  return std::move(*files);
}

TEST(MappedFiles, PopulatedExtentsAreThereAndResident) {
  TempDir dir;
  const auto files = open_or_die({dir.write("empty", {}), dir.write("a", bytes_of(5, kMappedBytes))});
  const Extent extent{1, 5001, 200'003};
  ASSERT_TRUE(files.populate(std::vector{extent}).has_value());
  EXPECT_EQ(files.resident_bytes(extent), extent.size_bytes);
  const auto expected = bytes_of(5, kMappedBytes);
  EXPECT_TRUE(std::ranges::equal(files.bytes(extent), std::span(expected).subspan(5001, 200'003)));
}

TEST(MappedFiles, WhatThePageCacheDroppedIsNotResident) {
  TempDir dir;
  const auto spec = dir.write("a", bytes_of(5, kMappedBytes));
  const auto files = open_or_die({spec});
  const auto file = File::open_read(spec.path);
  ASSERT_TRUE(file.has_value());
  ASSERT_EQ(::fdatasync(file->descriptor()), 0);
  ASSERT_EQ(::posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED), 0);
  const Extent all{0, 0, kMappedBytes};
  if (files.resident_bytes(all) == kMappedBytes) GTEST_SKIP() << "this file system is memory itself";
  EXPECT_EQ(files.resident_bytes(all), 0u);
  ASSERT_TRUE(files.populate(std::vector{Extent{0, 0, 10}}).has_value());
  EXPECT_EQ(files.resident_bytes({0, 2, 5}), 5u);
}

TEST(MappedFiles, AFileCutShortIsAnErrorAndGoodAgainWhenRestored) {
  TempDir dir;
  const auto content = bytes_of(5, kMappedBytes);
  const auto spec = dir.write("cut.bin", content);
  const auto files = open_or_die({spec});
  const Extent tail{0, 250'000, 50'000};
  ASSERT_TRUE(files.populate(std::vector{tail}).has_value());

  // Within the last page, a touch would not even kill: it would read zeros.
  for (const uint64_t size_bytes : {uint64_t{kMappedBytes - 1}, uint64_t{260'000}, uint64_t{0}}) {
    std::filesystem::resize_file(spec.path, size_bytes);
    EXPECT_EQ(files.resident_bytes(tail), 0u);
    const Status status = files.populate(std::vector{Extent{0, 0, 1}, tail});
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_THAT(status.error().message, HasSubstr("cut.bin"));
  }

  dir.write("cut.bin", content);
  ASSERT_TRUE(files.populate(std::vector{tail}).has_value());
  EXPECT_TRUE(std::ranges::equal(files.bytes(tail), std::span(content).subspan(250'000)));
}

TEST(MappedFiles, AMissingOrWrongFileDoesNotOpen) {
  TempDir dir;
  EXPECT_EQ(MappedFiles::open(std::vector<FileSpec>{{dir.path() / "gone", 1}}).error().code,
            ErrorCode::kNotFound);
  FileSpec spec = dir.write("a", bytes_of(1, 100));
  spec.size_bytes = 101;
  EXPECT_EQ(MappedFiles::open(std::vector{spec}).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice
