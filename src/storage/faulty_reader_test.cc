#include "storage/faulty_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/memory.h"
#include "storage/pread_pool.h"
#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr size_t kBlockBytes = 4096;
constexpr size_t kBlocks = 16;

// Two files of 16 blocks behind a faulty reader, and what became of the reads of a submission.
class FaultyReaderTest : public testing::Test {
 protected:
  FaultyReaderTest() : buffer_(2 * kBlocks * kBlockBytes) {
    const std::vector<FileSpec> specs = {dir_.write("a.bin", bytes_of(0, kBlocks * kBlockBytes)),
                                         dir_.write("b.bin", bytes_of(1, kBlocks * kBlockBytes))};
    auto files = FileSet::open(specs, FileAccess::kBuffered);
    if (!files) ADD_FAILURE() << files.error().message;
    reader_ = std::make_unique<FaultyReader>(
        std::make_unique<PreadPool>(std::make_shared<const FileSet>(std::move(*files)), 1),
        std::vector<std::string>{"a.bin", "b.bin"});
  }

  std::span<std::byte> block(size_t index) {
    return std::span(buffer_).subspan(index * kBlockBytes, kBlockBytes);
  }

  // Reads block 0, 1, 2 ... of `file`.
  void read(uint32_t file, size_t blocks) {
    std::vector<ReadOp> ops;
    for (size_t i = 0; i < blocks; ++i) {
      ops.push_back({file, i * kBlockBytes, block(i), kBlockBytes, [this, i](const Result<uint64_t>& moved) {
                       const std::lock_guard lock(mutex_);
                       order_.push_back(i);
                       outcome_[i] = moved ? "" : moved.error().message;
                       answered_.notify_all();
                     }});
    }
    reader_->submit(std::move(ops));
  }

  // The errors of the last `blocks` reads by block, "" where there was none.
  std::map<size_t, std::string> wait(size_t blocks) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return order_.size() >= blocks; });
    last_order_ = std::exchange(order_, {});
    return std::exchange(outcome_, {});
  }

  TempDir dir_;
  std::vector<std::byte> buffer_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<size_t> order_;
  std::vector<size_t> last_order_;
  std::map<size_t, std::string> outcome_;
  std::unique_ptr<FaultyReader> reader_;
};

TEST_F(FaultyReaderTest, WithoutAScriptItIsTheReaderBehindIt) {
  read(1, kBlocks);
  for (const auto& [index, error] : wait(kBlocks)) EXPECT_EQ(error, "") << index;
  EXPECT_EQ(buffer_[kBlockBytes + 5], byte_at(1, kBlockBytes + 5));
  EXPECT_EQ(reader_->submitted(), kBlocks);
}

TEST_F(FaultyReaderTest, FailsTheChosenOperationAloneAndLeavesRubbish) {
  reader_->fail_op(2);
  read(0, 4);
  auto errors = wait(4);
  EXPECT_EQ(errors[2], "a.bin: read of 4096 bytes at byte 8192: Input/output error");
  EXPECT_EQ(block(2)[0], std::byte{0xEE});
  EXPECT_EQ(errors[0] + errors[1] + errors[3], "");
  read(0, 4);
  EXPECT_EQ(wait(4)[2], "");
}

TEST_F(FaultyReaderTest, AShortOperationEndsHalfWay) {
  reader_->shorten_op(1);
  read(0, 2);
  auto errors = wait(2);
  EXPECT_EQ(errors[0], "");
  EXPECT_THAT(errors[1], HasSubstr("the file ends at byte 6144"));
}

TEST_F(FaultyReaderTest, AVanishedFileFailsUntilItIsBack) {
  reader_->vanish_file(1);
  read(1, 1);
  EXPECT_THAT(wait(1)[0], HasSubstr("b.bin"));
  read(0, 1);
  EXPECT_EQ(wait(1)[0], "");
  reader_->restore_file(1);
  read(1, 1);
  EXPECT_EQ(wait(1)[0], "");
}

TEST_F(FaultyReaderTest, TheSameSeedFailsTheSameOperations) {
  reader_->fail_randomly(7, 0.5);
  read(0, kBlocks);
  const auto first = wait(kBlocks);
  reader_->fail_randomly(7, 0.5);
  read(0, kBlocks);
  EXPECT_EQ(wait(kBlocks), first);
  const auto failed = std::ranges::count_if(first, [](const auto& entry) { return !entry.second.empty(); });
  EXPECT_GT(failed, 0);
  EXPECT_LT(failed, static_cast<long>(kBlocks));
}

TEST_F(FaultyReaderTest, TheSameSeedShufflesTheSameWay) {
  reader_->shuffle(3);
  read(0, kBlocks);
  wait(kBlocks);
  const auto first = last_order_;
  EXPECT_FALSE(std::ranges::is_sorted(first));
  reader_->shuffle(3);
  read(0, kBlocks);
  wait(kBlocks);
  EXPECT_EQ(last_order_, first);
}

TEST_F(FaultyReaderTest, WhatIsHeldIsAnsweredAfterReleaseOrAtTheEnd) {
  reader_->hold();
  read(0, 3);
  EXPECT_EQ(reader_->submitted(), 3u);
  {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(order_.empty());
  }
  reader_->release();
  wait(3);
  reader_->hold();
  read(0, 2);
  reader_.reset();
  EXPECT_EQ(order_.size(), 2u);
}

}  // namespace
}  // namespace sluice
