// The promises of storage/reader.h, kept by every reader.
#include "storage/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/memory.h"
#include "storage/choose_reader.h"
#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kReadBytes = 4096;
constexpr size_t kReads = 64;
// File 0 ends 100 bytes before its last block does; file 1 with it.
constexpr size_t kShortFileBytes = kReads * kReadBytes - 100;

class EveryReader : public testing::TestWithParam<std::tuple<ReaderKind, FileAccess>> {
 protected:
  EveryReader() {
    const std::vector<FileSpec> specs = {dir_.write("a.bin", bytes_of(0, kShortFileBytes)),
                                         dir_.write("b.bin", bytes_of(1, kReads * kReadBytes))};
    auto opened = FileSet::open(specs, std::get<FileAccess>(GetParam()));
    if (!opened) ADD_FAILURE() << opened.error().message;
    files_ = std::make_shared<const FileSet>(std::move(*opened));
    auto memory = MappedMemory::allocate(2 * kReads * kReadBytes);
    if (!memory) ADD_FAILURE() << memory.error().message;
    memory_ = std::move(*memory);
  }

  void SetUp() override {
    const auto reader = choose(files_, 1);
    if (!reader && reader.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << reader.error().message;
  }

  static Result<ChosenReader> choose(std::shared_ptr<const FileSet> files, size_t in_flight) {
    return choose_reader(std::move(files), {std::get<ReaderKind>(GetParam()), in_flight, in_flight});
  }

  static std::unique_ptr<Reader> reader_of(std::shared_ptr<const FileSet> files, size_t in_flight) {
    auto chosen = choose(std::move(files), in_flight);
    if (!chosen) ADD_FAILURE() << chosen.error().message;
    return chosen ? std::move(chosen->reader) : nullptr;
  }
  std::unique_ptr<Reader> reader_of(size_t in_flight) const { return reader_of(files_, in_flight); }

  std::span<std::byte> block(size_t index) const {
    return memory_.bytes().subspan(index * kReadBytes, kReadBytes);
  }

  TempDir dir_;
  std::shared_ptr<const FileSet> files_;
  MappedMemory memory_;
};

std::string name_of(const testing::TestParamInfo<EveryReader::ParamType>& info) {
  const std::string kind = std::get<ReaderKind>(info.param) == ReaderKind::kUring ? "Uring" : "Pread";
  return kind + (std::get<FileAccess>(info.param) == FileAccess::kDirect ? "Direct" : "Buffered");
}

INSTANTIATE_TEST_SUITE_P(Readers, EveryReader,
                         testing::Combine(testing::Values(ReaderKind::kPread, ReaderKind::kUring),
                                          testing::Values(FileAccess::kBuffered, FileAccess::kDirect)),
                         name_of);

testing::AssertionResult holds(std::span<const std::byte> bytes, uint32_t file, uint64_t offset_bytes) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (bytes[at] == byte_at(file, offset_bytes + at)) continue;
    return testing::AssertionFailure() << "file " << file << " differs at byte " << offset_bytes + at;
  }
  return testing::AssertionSuccess();
}

// More reads than may be in flight, and the end while they are.
TEST_P(EveryReader, AnswersEveryReadOnceWithItsBytesBeforeItEnds) {
  std::vector<std::atomic<int>> answers(2 * kReads);
  {
    const auto reader = reader_of(5);
    std::vector<ReadOp> ops;
    for (uint32_t i = 0; i < 2 * kReads; ++i) {
      const uint64_t block_in_file = i % kReads;
      const size_t needed = block_in_file + 1 == kReads ? kReadBytes - 100 : kReadBytes;
      ops.push_back({i / static_cast<uint32_t>(kReads), block_in_file * kReadBytes, block(i), needed,
                     [&answers, i, needed](const Result<uint64_t>& moved) {
                       EXPECT_GE(moved.value_or(0), needed);
                       ++answers[i];
                     }});
    }
    reader->submit(std::move(ops));
    reader->submit({});
  }
  for (size_t i = 0; i < 2 * kReads; ++i) {
    EXPECT_EQ(answers[i], 1);
    const size_t there = i + 1 == kReads ? kReadBytes - 100 : kReadBytes;
    EXPECT_TRUE(holds(block(i).first(there), static_cast<uint32_t>(i / kReads), (i % kReads) * kReadBytes));
  }
}

TEST_P(EveryReader, MemoryThatWasNamedIsFilledLikeAnyOther) {
  const auto reader = reader_of(4);
  const auto two_blocks = memory_.bytes().subspan(2 * kReadBytes, 2 * kReadBytes);
  const auto read_all = [&] {
    std::latch answers(4);
    const auto done = [&](const Result<uint64_t>& moved) {
      EXPECT_TRUE(moved.has_value());
      answers.count_down();
    };
    std::ranges::fill(memory_.bytes(), std::byte{0});
    // In the named memory, in its second half, across its end, and elsewhere.
    reader->submit(
        {{0, 0, block(1), kReadBytes, done},
         {1, kReadBytes, block(3), kReadBytes, done},
         {0, 2 * kReadBytes, memory_.bytes().subspan(5 * kReadBytes, 2 * kReadBytes), 2 * kReadBytes, done},
         {1, 3 * kReadBytes, block(9), kReadBytes, done}});
    answers.wait();
    EXPECT_TRUE(holds(block(1), 0, 0));
    EXPECT_TRUE(holds(block(3), 1, kReadBytes));
    EXPECT_TRUE(holds(memory_.bytes().subspan(5 * kReadBytes, 2 * kReadBytes), 0, 2 * kReadBytes));
    EXPECT_TRUE(holds(block(9), 1, 3 * kReadBytes));
  };
  reader->will_read_into({block(5), two_blocks, block(1)});
  read_all();
  read_all();
  reader->will_read_into({block(9)});
  read_all();
  reader->will_read_into({});
  read_all();
}

TEST_P(EveryReader, AnswersOnAThreadOfItsOwnAndTakesReadsFromThere) {
  std::atomic<int> answers = 0;
  {
    const auto owner = reader_of(1);
    Reader* const reader = owner.get();
    const auto submitter = std::this_thread::get_id();
    std::mutex during_submit;
    std::unique_lock lock(during_submit);
    reader->submit({{0, 0, block(0), 1, [&](const Result<uint64_t>&) {
                       EXPECT_NE(std::this_thread::get_id(), submitter);
                       const std::lock_guard waits_for_submit(during_submit);
                       ++answers;
                       reader->submit({{1, 0, block(1), 1, [&](const Result<uint64_t>&) { ++answers; }}});
                     }}});
    lock.unlock();
  }
  EXPECT_EQ(answers, 2);
}

TEST_P(EveryReader, ChainsOfReadsThatSubmitEachOtherAllEnd) {
  constexpr int kChains = 6;
  constexpr int kLinks = 500;
  std::atomic<int> answers = 0;
  Reader* reader = nullptr;
  const std::function<void(size_t, int)> follow = [&](size_t chain, int links) {
    const uint64_t offset_bytes = static_cast<uint64_t>(links) % (kReads - 1) * kReadBytes;
    reader->submit(
        {{1, offset_bytes, block(chain), kReadBytes, [&, chain, links](const Result<uint64_t>& moved) {
            EXPECT_EQ(moved.value_or(0), kReadBytes);
            ++answers;
            if (links > 1) follow(chain, links - 1);
          }}});
  };
  {
    const auto ends_with_chains_in_flight = reader_of(3);
    reader = ends_with_chains_in_flight.get();
    for (size_t chain = 0; chain < kChains; ++chain) follow(chain, kLinks);
  }
  EXPECT_EQ(answers, kChains * kLinks);
}

TEST_P(EveryReader, ThousandsOfRandomReadsFromManyThreadsBringTheirBytes) {
  constexpr size_t kThreads = 4;
  constexpr size_t kReadsPerThread = 2 * kReads / kThreads;
  const auto reader = reader_of(16);
  const auto use = [&](size_t thread) {
    std::mt19937_64 random(thread);
    for (int round = 0; round < 150; ++round) {
      std::vector<ReadOp> ops;
      std::latch all(kReadsPerThread / 2);
      for (size_t i = 0; i < kReadsPerThread; i += 2) {
        const auto file = static_cast<uint32_t>(random() % 2);
        const uint64_t first = random() % kReads;
        const auto into = memory_.bytes().subspan((thread * kReadsPerThread + i) * kReadBytes,
                                                  (1 + random() % 2) * kReadBytes);
        const uint64_t file_bytes = file == 0 ? kShortFileBytes : kReads * kReadBytes;
        const uint64_t there = std::min<uint64_t>(into.size(), file_bytes - first * kReadBytes);
        ops.push_back({file, first * kReadBytes, into, there, [=, &all](const Result<uint64_t>& moved) {
                         EXPECT_EQ(moved.value_or(0), there);
                         EXPECT_TRUE(holds(into.first(there), file, first * kReadBytes));
                         all.count_down();
                       }});
      }
      reader->submit(std::move(ops));
      all.wait();
    }
  };
  std::vector<std::jthread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) threads.emplace_back(use, thread);
}

// A kernel takes back what is still queued for a thread that ends: no reader may leave it there.
TEST_P(EveryReader, ReadsOutliveTheThreadThatSubmittedThem) {
  std::atomic<int> good = 0;
  {
    const auto reader = reader_of(2);
    std::thread([&] {
      std::vector<ReadOp> ops;
      for (size_t i = 0; i < kReads; ++i) {
        ops.push_back({1, i * kReadBytes, block(i), kReadBytes,
                       [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }});
      }
      reader->submit(std::move(ops));
    }).join();
  }
  EXPECT_EQ(good, static_cast<int>(kReads));
}

TEST_P(EveryReader, AFileCutShortFailsItsOwnReadsOnlyAndIsNamed) {
  std::filesystem::resize_file(dir_.path() / "a.bin", 4 * kReadBytes + 10);
  std::string message;
  std::atomic<int> good = 0;
  {
    const auto reader = reader_of(3);
    reader->submit({{0, 4 * kReadBytes, block(0), kReadBytes,
                     [&](const Result<uint64_t>& moved) { message = moved ? "" : moved.error().message; }},
                    {0, 3 * kReadBytes, block(1), kReadBytes,
                     [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }},
                    {1, 4 * kReadBytes, block(2), kReadBytes,
                     [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }}});
  }
  EXPECT_EQ(good, 2);
  EXPECT_THAT(message, AllOf(HasSubstr("a.bin: read of 4096 bytes at byte 16384: "),
                             HasSubstr("the file ends at byte 16394, at least 20480 bytes were expected")));
}

// A process's own memory is a file that cannot be read where nothing is mapped.
TEST_P(EveryReader, ADeviceErrorIsReportedAndHurtsNoOtherRead) {
  auto memory_file = FileSet::open(std::vector<FileSpec>{{"/proc/self/mem", 0}}, FileAccess::kBuffered);
  ASSERT_TRUE(memory_file.has_value()) << memory_file.error().message;
  const auto expected = bytes_of(9, kReadBytes);
  std::string message;
  std::atomic<int> good = 0;
  {
    const auto reader = reader_of(std::make_shared<const FileSet>(std::move(*memory_file)), 2);
    reader->submit({{0, 0, block(0), 5,
                     [&](const Result<uint64_t>& moved) { message = moved ? "" : moved.error().message; }},
                    {0, reinterpret_cast<uint64_t>(expected.data()), block(1), kReadBytes,
                     [&](const Result<uint64_t>& moved) { good += moved ? 1 : 0; }}});
  }
  EXPECT_EQ(message, "/proc/self/mem: read of 4096 bytes at byte 0: Input/output error");
  EXPECT_EQ(good, 1);
  EXPECT_TRUE(std::ranges::equal(block(1), expected));
}

TEST_P(EveryReader, AFileThatDoesNotExistIsAnErrorLikeAnyOther) {
  ErrorCode code = ErrorCode::kIo;
  {
    const auto reader = reader_of(1);
    reader->submit({{2, 0, block(0), 1, [&](const Result<uint64_t>& moved) {
                       if (!moved) code = moved.error().code;
                     }}});
  }
  EXPECT_EQ(code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace sluice
