#include "storage/read_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "storage/faulty_reader.h"
#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

constexpr size_t kProbeAlignmentBytes = 512;

// Writes down what passes on its way to another reader, and asks for an alignment of its own.
class WatchedReader final : public Reader {
 public:
  explicit WatchedReader(std::unique_ptr<Reader> inner) : inner_(std::move(inner)) {}

  void submit(std::vector<ReadOp> ops) override {
    {
      const std::lock_guard lock(mutex_);
      for (ReadOp& op : ops) {
        seen_.push_back({op.file, op.offset_bytes, op.into, op.needed_bytes, nullptr});
        EXPECT_TRUE(in_use_.insert(op.into.data()).second) << "two reads into the same place";
        most_in_flight_ = std::max(most_in_flight_, in_use_.size());
        op.done = [this, to = op.into.data(), done = std::move(op.done)](Result<uint64_t> moved) {
          {
            const std::lock_guard ended(mutex_);
            in_use_.erase(to);
          }
          done(std::move(moved));
        };
      }
    }
    inner_->submit(std::move(ops));
  }
  size_t alignment_bytes() const override { return kProbeAlignmentBytes; }

  std::vector<ReadOp> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  size_t most_in_flight() const {
    const std::lock_guard lock(mutex_);
    return most_in_flight_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<ReadOp> seen_;
  std::set<const std::byte*> in_use_;
  size_t most_in_flight_ = 0;
  std::unique_ptr<Reader> inner_;
};

class ReadProbeTest : public testing::Test {
 protected:
  static constexpr uint64_t kFileBytes = 100'000;

  ReadProbeTest()
      : specs_({dir_.write("a.bin", bytes_of(0, kFileBytes)), dir_.write("b.bin", bytes_of(1, kFileBytes))}) {
    auto opened = FileSet::open(specs_, FileAccess::kBuffered);
    if (!opened) ADD_FAILURE() << opened.error().message;
    files_ = std::make_shared<const FileSet>(std::move(*opened));
    reader_ = std::make_unique<WatchedReader>(std::make_unique<PreadPool>(files_, 4));
  }

  // Reads that are begun at once, and no more.
  static ProbeOptions one_round(size_t depth) {
    ProbeOptions options;
    options.depth = depth;
    options.limit = {};
    return options;
  }

  Result<ProbeFigures> probe(const std::vector<Extent>& extents, const ProbeOptions& options) {
    return probe_reads(*reader_, *files_, extents, options);
  }

  TempDir dir_;
  std::vector<FileSpec> specs_;
  std::shared_ptr<const FileSet> files_;
  std::unique_ptr<WatchedReader> reader_;
};

TEST_F(ReadProbeTest, ReadsWholeExtentsWithTheirAlignmentAndCountsBoth) {
  const auto figures = probe({{1, 1000, 3000}}, one_round(5));
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_EQ(figures->reads, 5u);
  EXPECT_EQ(figures->wanted_bytes, 5u * 3000);
  EXPECT_EQ(figures->read_bytes, 5u * (4096 - 512));
  EXPECT_GE(figures->elapsed_ns, 1u);
  EXPECT_LE(figures->median_latency_ns, figures->p99_latency_ns);
  EXPECT_LE(figures->p99_latency_ns, figures->elapsed_ns);
  for (const ReadOp& op : reader_->seen()) {
    EXPECT_EQ(op.file, 1u);
    EXPECT_EQ(op.offset_bytes, 512u);
    EXPECT_EQ(op.into.size(), 4096u - 512);
    EXPECT_EQ(op.needed_bytes, 4000u - 512);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(op.into.data()) % kProbeAlignmentBytes, 0u);
  }
}

TEST_F(ReadProbeTest, BlocksLieSideBySideWithinTheirExtentAndAllOfThemAreDrawn) {
  ProbeOptions options = one_round(200);
  options.block_bytes = 512;
  ASSERT_TRUE(probe({{0, 1024, 5 * 512 + 100}, {1, 0, 300}}, options).has_value());
  std::set<std::pair<uint32_t, uint64_t>> drawn;
  for (const ReadOp& op : reader_->seen()) drawn.insert({op.file, op.offset_bytes});
  const std::set<std::pair<uint32_t, uint64_t>> all = {{0, 1024}, {0, 1536}, {0, 2048},
                                                       {0, 2560}, {0, 3072}, {1, 0}};
  EXPECT_EQ(drawn, all);
}

TEST_F(ReadProbeTest, KeepsAsManyReadsInFlightAsWereAskedFor) {
  ProbeOptions options = one_round(3);
  options.limit = std::chrono::milliseconds(20);
  options.block_bytes = 4096;
  const auto figures = probe({{0, 0, kFileBytes}}, options);
  ASSERT_TRUE(figures.has_value());
  EXPECT_EQ(figures->reads, reader_->seen().size());
  EXPECT_EQ(reader_->most_in_flight(), 3u);
}

TEST_F(ReadProbeTest, TheSameSeedReadsTheSamePlaces) {
  const auto places = [&](uint64_t seed) {
    const size_t before = reader_->seen().size();
    ProbeOptions options = one_round(20);
    options.block_bytes = 512;
    options.seed = seed;
    EXPECT_TRUE(probe({{0, 0, kFileBytes}}, options).has_value());
    std::vector<uint64_t> offsets_bytes;
    for (const ReadOp& op : reader_->seen()) offsets_bytes.push_back(op.offset_bytes);
    offsets_bytes.erase(offsets_bytes.begin(), offsets_bytes.begin() + static_cast<long>(before));
    return offsets_bytes;
  };
  const auto first = places(7);
  EXPECT_EQ(places(7), first);
  EXPECT_NE(places(8), first);
}

TEST_F(ReadProbeTest, TheErrorOfAReadIsTheProbesOwn) {
  FaultyReader faulty(std::make_unique<PreadPool>(files_, 2), {"a.bin", "b.bin"});
  faulty.fail_op(2);
  ProbeOptions options = one_round(1);
  options.limit = std::chrono::hours(1);
  const auto figures = probe_reads(faulty, *files_, std::vector<Extent>{{0, 0, 4096}}, options);
  ASSERT_FALSE(figures.has_value());
  EXPECT_THAT(figures.error().message, HasSubstr("a.bin: read of 4096 bytes at byte 0: Input/output error"));
  EXPECT_EQ(faulty.submitted(), 3u);
}

TEST_F(ReadProbeTest, EndsWhenItIsCancelled) {
  std::stop_source cancel;
  ProbeOptions options = one_round(2);
  options.limit = std::chrono::hours(1);
  options.cancel = cancel.get_token();
  options.on_progress = [&](std::chrono::nanoseconds) { cancel.request_stop(); };
  const auto figures = probe({{0, 0, 512}}, options);
  ASSERT_FALSE(figures.has_value());
  EXPECT_EQ(figures.error().code, ErrorCode::kCancelled);
}

TEST_F(ReadProbeTest, ExtentsThatAreNoReadsAreRefused) {
  for (const std::vector<Extent>& extents : std::vector<std::vector<Extent>>{
           {}, {{2, 0, 1}}, {{0, 0, 0}}, {{0, kFileBytes, 1}}, {{1, 1, ~0ull}}}) {
    const auto figures = probe(extents, one_round(1));
    ASSERT_FALSE(figures.has_value());
    EXPECT_EQ(figures.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(reader_->seen().empty());
}

// The last block of a file of uneven size: the read reaches past its end.
TEST_F(ReadProbeTest, OpensFilesOfItsOwn) {
  const auto figures =
      probe_files(specs_, std::vector<Extent>{{1, kFileBytes - 10, 10}}, ReaderKind::kAuto, one_round(4));
  ASSERT_TRUE(figures.has_value()) << figures.error().message;
  EXPECT_EQ(figures->reads, 4u);
  EXPECT_EQ(figures->wanted_bytes, 40u);
  const auto gone = probe_files(std::vector<FileSpec>{{dir_.path() / "none", 1}},
                                std::vector<Extent>{{0, 0, 1}}, ReaderKind::kAuto, one_round(1));
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice
