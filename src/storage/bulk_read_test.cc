#include "storage/bulk_read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <stop_token>
#include <vector>

#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr size_t kFileBytes = 20'000'000;  // more than two pieces

class BulkReadTest : public testing::Test {
 protected:
  void SetUp() override {
    specs_ = {dir_.write("a.bin", bytes_of(0, kFileBytes)), dir_.write("b.bin", bytes_of(1, 1000))};
    auto opened = FileSet::open(specs_, FileAccess::kBuffered);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    files_ = std::make_unique<FileSet>(std::move(*opened));
  }

  TempDir dir_;
  std::vector<FileSpec> specs_;
  std::unique_ptr<FileSet> files_;
};

TEST_F(BulkReadTest, FillsEveryDestinationWithAnyNumberOfThreads) {
  for (const size_t threads : {1, 3, 16}) {
    std::vector<std::byte> big(kFileBytes - 3);
    std::vector<std::byte> small(10);
    std::vector<std::byte> empty;
    const std::vector<BulkRead> reads = {
        {{1, 990, 10}, small}, {{0, 3, kFileBytes - 3}, big}, {{1, 1000, 0}, empty}};
    ASSERT_TRUE(read_all(*files_, reads, threads, {}).has_value());
    EXPECT_EQ(small[9], byte_at(1, 999));
    const auto expected = bytes_of(0, kFileBytes);
    EXPECT_TRUE(std::equal(big.begin(), big.end(), expected.begin() + 3));
  }
}

TEST_F(BulkReadTest, ProgressGrowsToTheTotal) {
  std::vector<std::byte> into(kFileBytes);
  std::vector<uint64_t> seen;
  const auto progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_EQ(total_bytes, kFileBytes);
    seen.push_back(done_bytes);
  };
  ASSERT_TRUE(read_all(*files_, std::vector<BulkRead>{{{0, 0, kFileBytes}, into}}, 4, progress).has_value());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_GE(seen.size(), 2u);
  EXPECT_EQ(seen.back(), kFileBytes);
}

TEST_F(BulkReadTest, StopsWhenCancelled) {
  std::vector<std::byte> into(kFileBytes);
  std::stop_source source;
  size_t calls = 0;
  const auto progress = [&](uint64_t, uint64_t) {
    ++calls;
    source.request_stop();
  };
  const Status status =
      read_all(*files_, std::vector<BulkRead>{{{0, 0, kFileBytes}, into}}, 1, progress, source.get_token());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(calls, 1u);
}

TEST_F(BulkReadTest, AFileCutShortIsNamed) {
  std::filesystem::resize_file(specs_[0].path, 10'000'000);
  std::vector<std::byte> into(kFileBytes);
  const Status status = read_all(*files_, std::vector<BulkRead>{{{0, 0, kFileBytes}, into}}, 3, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_THAT(status.error().message, HasSubstr("a.bin"));
}

TEST_F(BulkReadTest, RefusesWhatCannotBeRead) {
  std::vector<std::byte> into(10);
  for (const Extent extent :
       {Extent{2, 0, 10}, Extent{1, 991, 10}, Extent{1, ~uint64_t{0}, 10}, Extent{1, 0, 11}}) {
    const Status status = read_all(*files_, std::vector<BulkRead>{{extent, into}}, 1, {});
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace sluice
