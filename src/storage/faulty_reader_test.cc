#include "storage/faulty_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
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

// What a reader tries again or continues ends well: the bytes come from where ReadProgress said.
TEST_F(FaultyReaderTest, OneDeviceErrorAndInterruptionsAreOvercome) {
  reader_->fail_op_once(0);
  reader_->interrupt_op(2, 5);
  read(1, 4);
  for (const auto& [index, error] : wait(4)) EXPECT_EQ(error, "") << index;
  for (size_t at = 0; at < 4 * kBlockBytes; ++at) ASSERT_EQ(buffer_[at], byte_at(1, at)) << at;
}

TEST_F(FaultyReaderTest, AFlippedBitIsTheOnlyThingWrong) {
  reader_->flip_bit(1, 8 * 100 + 3);
  read(0, 3);
  for (const auto& [index, error] : wait(3)) EXPECT_EQ(error, "") << index;
  EXPECT_EQ(block(1)[100], byte_at(0, kBlockBytes + 100) ^ std::byte{8});
  block(1)[100] ^= std::byte{8};
  for (size_t at = 0; at < 3 * kBlockBytes; ++at) ASSERT_EQ(buffer_[at], byte_at(0, at)) << at;
}

// A chain of reads that submit each other keeps something under way.
TEST_F(FaultyReaderTest, AStalledOperationLetsSoManyOthersPassAndNoMore) {
  reader_->stall_op(0, 3);
  const std::function<void(size_t)> follow = [&](size_t links) {
    reader_->submit({{0, 0, block(1), 1, [&, links](const Result<uint64_t>&) {
                        if (links > 1) follow(links - 1);
                        const std::lock_guard lock(mutex_);
                        order_.push_back(links);
                        answered_.notify_all();
                      }}});
  };
  constexpr size_t kLinks = 10;
  reader_->hold();
  read(1, 1);
  follow(kLinks);
  reader_->release();
  EXPECT_EQ(wait(kLinks + 1)[0], "");
  // Its block has number 0. It begins after the third answer; the chain's next read was submitted before
  // that.
  EXPECT_EQ(last_order_, (std::vector<size_t>{10, 9, 8, 7, 0, 6, 5, 4, 3, 2, 1}));
}

TEST_F(FaultyReaderTest, NoStallOutlastsEverythingElse) {
  reader_->stall_op(0, 1000);
  reader_->stall_op(2, 1000);
  read(0, 4);
  EXPECT_EQ(wait(4).size(), 4u);
  EXPECT_EQ(last_order_, (std::vector<size_t>{1, 3, 0, 2}));
  reader_->stall_op(4, 1000);
  read(0, 1);
  EXPECT_EQ(wait(1).size(), 1u);
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

TEST_F(FaultyReaderTest, RatesMixFaultsThatASeedRepeats) {
  const auto outcome = [&](uint64_t seed) {
    reader_->spoil_randomly(seed, {.device_errors = 0.2,
                                   .hiccups = 0.2,
                                   .interruptions = 0.1,
                                   .early_ends = 0.2,
                                   .stalls = 0.1,
                                   .flipped_bits = 0.2});
    read(0, kBlocks);
    const auto errors = wait(kBlocks);
    return std::pair(errors, std::vector(buffer_.begin(), buffer_.begin() + kBlocks * kBlockBytes));
  };
  const auto first = outcome(11);
  EXPECT_EQ(outcome(11), first);
  std::set<std::string> causes;
  bool is_silently_wrong = false;
  for (const auto& [index, error] : first.first) {
    causes.insert(error.substr(error.rfind(": ") + 1));
    for (size_t at = index * kBlockBytes; error.empty() && at < (index + 1) * kBlockBytes; ++at) {
      is_silently_wrong |= first.second[at] != byte_at(0, at);
    }
  }
  EXPECT_GE(causes.size(), 3u) << "none, a device error and ends of the file";
  EXPECT_TRUE(is_silently_wrong);
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
