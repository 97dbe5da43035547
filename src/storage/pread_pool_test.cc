#include "storage/pread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/memory.h"
#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr size_t kBlockBytes = 4096;

class PreadPoolOver : public testing::TestWithParam<FileAccess> {
 protected:
  PreadPoolOver() {
    const std::vector<FileSpec> specs = {dir_.write("a.bin", bytes_of(0, kBlocks * kBlockBytes - 100)),
                                         dir_.write("b.bin", bytes_of(1, kBlocks * kBlockBytes))};
    auto opened = FileSet::open(specs, GetParam());
    if (!opened) ADD_FAILURE() << opened.error().message;
    files_ = std::make_shared<const FileSet>(std::move(*opened));
    auto memory = MappedMemory::allocate(2 * kBlocks * kBlockBytes);
    if (!memory) ADD_FAILURE() << memory.error().message;
    memory_ = std::move(*memory);
  }

  std::span<std::byte> block(size_t index) const {
    return memory_.bytes().subspan(index * kBlockBytes, kBlockBytes);
  }

  static constexpr size_t kBlocks = 64;
  TempDir dir_;
  std::shared_ptr<const FileSet> files_;
  MappedMemory memory_;
};

INSTANTIATE_TEST_SUITE_P(Access, PreadPoolOver, testing::Values(FileAccess::kBuffered, FileAccess::kDirect));

TEST_P(PreadPoolOver, AnswersEveryReadOnceWithItsBytesBeforeItEnds) {
  std::vector<std::atomic<int>> answers(2 * kBlocks);
  {
    PreadPool pool(files_, 5);
    std::vector<ReadOp> ops;
    for (uint32_t i = 0; i < 2 * kBlocks; ++i) {
      const uint64_t block_in_file = i % kBlocks;
      const size_t needed = block_in_file + 1 == kBlocks ? kBlockBytes - 100 : kBlockBytes;
      ops.push_back({i / static_cast<uint32_t>(kBlocks), block_in_file * kBlockBytes, block(i), needed,
                     [&answers, i](const Result<uint64_t>& moved) {
                       EXPECT_TRUE(moved.has_value()) << moved.error().message;
                       ++answers[i];
                     }});
    }
    pool.submit(std::move(ops));
  }
  for (size_t i = 0; i < 2 * kBlocks; ++i) {
    EXPECT_EQ(answers[i], 1);
    const size_t needed = i + 1 == kBlocks ? kBlockBytes - 100 : kBlockBytes;
    for (size_t at = 0; at < needed; ++at) {
      ASSERT_EQ(block(i)[at], byte_at(i / kBlocks, (i % kBlocks) * kBlockBytes + at)) << i << " " << at;
    }
  }
}

TEST_P(PreadPoolOver, AnswersOnAThreadOfItsOwnAndTakesReadsFromThere) {
  std::atomic<int> answers = 0;
  {
    PreadPool pool(files_, 1);
    const auto submitter = std::this_thread::get_id();
    std::mutex during_submit;
    std::unique_lock lock(during_submit);
    pool.submit({{0, 0, block(0), 1, [&](const Result<uint64_t>&) {
                    EXPECT_NE(std::this_thread::get_id(), submitter);
                    const std::lock_guard waits_for_submit(during_submit);
                    ++answers;
                    pool.submit({{1, 0, block(1), 1, [&](const Result<uint64_t>&) { ++answers; }}});
                  }}});
    lock.unlock();
  }
  EXPECT_EQ(answers, 2);
}

TEST_P(PreadPoolOver, AFileCutShortFailsItsOwnReadsOnlyAndIsNamed) {
  std::filesystem::resize_file(dir_.path() / "a.bin", 4 * kBlockBytes + 10);
  std::string message;
  std::atomic<int> good = 0;
  {
    PreadPool pool(files_, 3);
    pool.submit({{0, 4 * kBlockBytes, block(0), kBlockBytes,
                  [&](const Result<uint64_t>& moved) { message = moved ? "" : moved.error().message; }},
                 {0, 3 * kBlockBytes, block(1), kBlockBytes,
                  [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }},
                 {1, 4 * kBlockBytes, block(2), kBlockBytes,
                  [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }}});
  }
  EXPECT_EQ(good, 2);
  EXPECT_THAT(message, testing::AllOf(HasSubstr("a.bin"), HasSubstr("at byte 16384"),
                                      HasSubstr("ends at byte 16394")));
}

}  // namespace
}  // namespace sluice
