#include "kv/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <xxhash.h>

#include <fstream>

#include "kv/sequence_state.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMaxTokens = 1000;
const std::vector<LayerStateShape> kSavedLayers = {
    {8, 4, std::nullopt, std::nullopt},
    {8, 4, CompressorShape{4, 4, true}, CompressorShape{4, 2, true}},
    {8, 4, CompressorShape{128, 4, false}, std::nullopt},
};

std::vector<LayerStateShape> layers_with(RowFormat format) {
  auto layers = kSavedLayers;
  for (LayerStateShape& layer : layers) {
    layer.row_format = format;
    if (layer.compressor) layer.compressor->row_format = format;
    if (layer.indexer) layer.indexer->row_format = format;
  }
  return layers;
}

SnapshotHead some_head() {
  return {"model of June", {8, 4, 0, 77}, {5, 0, 2047}, 6};
}

// With a checksum that fits the rest.
std::string resealed(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  const uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(sum >> (8 * i) & 0xff);
  return bytes;
}

uint64_t file_bytes_of(const std::string& head) {
  return head.size() + some_head().state_bytes + 8;
}

std::string reason(const std::string& bytes, uint64_t file_bytes, uint64_t max_tokens = kMaxTokens) {
  const auto head = decode_snapshot_head(bytes, file_bytes, max_tokens);
  return head ? "fits" : head.error().message;
}

TEST(SnapshotHead, IsReadAsItWasWritten) {
  const std::string bytes = encode_snapshot_head(some_head());
  EXPECT_EQ(file_bytes_of(bytes), snapshot_file_bytes(some_head()));
  EXPECT_EQ(snapshot_head_bytes(bytes.substr(0, kSnapshotStartBytes), file_bytes_of(bytes), 3), bytes.size());
  const auto head = decode_snapshot_head(bytes, file_bytes_of(bytes), 3);
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->owner, some_head().owner);
  EXPECT_EQ(head->layout, some_head().layout);
  EXPECT_EQ(head->ids, some_head().ids);
  EXPECT_EQ(head->state_bytes, some_head().state_bytes);
}

TEST(SnapshotHead, EveryFlippedBitIsNoticed) {
  const std::string good = encode_snapshot_head(some_head());
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(reason(bytes, file_bytes_of(good)), "fits") << bit;
  }
}

TEST(SnapshotHead, EveryOtherLengthIsNoticed) {
  const std::string good = encode_snapshot_head(some_head());
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_NE(reason(good.substr(0, bytes), file_bytes_of(good)), "fits");
    EXPECT_NE(reason(good.substr(0, bytes), bytes), "fits");
  }
  EXPECT_NE(reason(good + '\0', file_bytes_of(good)), "fits");
  EXPECT_THAT(reason(good, file_bytes_of(good) - 1), HasSubstr("cut short"));
}

TEST(SnapshotHead, AnotherVersionAndTooManyTokensAreToldFromDamage) {
  std::string bytes = encode_snapshot_head(some_head());
  EXPECT_THAT(reason(bytes, file_bytes_of(bytes), 2),
              HasSubstr("holds 3 tokens, and the context has room for 2"));
  EXPECT_EQ(decode_snapshot_head(bytes, file_bytes_of(bytes), 2).error().code, ErrorCode::kOutOfBudget);
  bytes[10] = 2;
  const auto newer = decode_snapshot_head(resealed(bytes), file_bytes_of(bytes), kMaxTokens);
  EXPECT_EQ(newer.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(newer.error().message, "found version 2, expected 1");
}

TEST(SnapshotHead, SizesThatNoFileHasAreRefusedBeforeAnythingIsAllocated) {
  const std::string good = encode_snapshot_head(some_head());
  for (const size_t field : {14U, 18U, 22U, 30U}) {  // owner, layout, tokens, state
    std::string bytes = good;
    for (size_t i = 0; i < 4; ++i) bytes[field + i] = '\xff';
    EXPECT_EQ(snapshot_head_bytes(bytes, file_bytes_of(good), UINT64_MAX).error().code, ErrorCode::kCorrupt);
    for (size_t i = 4; i < 8; ++i) bytes[field + i] = '\xff';
    EXPECT_EQ(snapshot_head_bytes(bytes, UINT64_MAX, UINT64_MAX).error().code, ErrorCode::kCorrupt) << field;
  }
}

class SnapshotOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice_snapshot_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "one.kv";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static SequenceState sequence_of(uint64_t tokens, uint64_t seed = 1,
                                   std::span<const LayerStateShape> layers = kSavedLayers) {
    auto state = std::move(SequenceState::create(layers, kMaxTokens).value());
    if (tokens > 0) state.pretend(tokens, seed);
    return state;
  }
  static std::vector<std::span<std::byte>> runs_of(SequenceState& state) {
    auto runs = state.changing_bytes();
    for (const auto run : state.settled_bytes(state.position())) runs.push_back(run);
    return runs;
  }
  static std::string bytes_of(SequenceState& state) {
    std::string bytes;
    for (const auto run : runs_of(state)) bytes.append(reinterpret_cast<const char*>(run.data()), run.size());
    return bytes;
  }
  Status write(SequenceState& state, const std::function<void()>& handed_over = {}) const {
    SnapshotHead head{"owner", state.layout(), std::vector<int32_t>(state.position()), 0};
    std::vector<std::span<const std::byte>> runs;
    for (const auto run : runs_of(state)) {
      runs.push_back(run);
      head.state_bytes += run.size();
    }
    return write_snapshot(path_, head, runs, handed_over);
  }
  // Into `state`, which may have held anything.
  Status read(SequenceState& state) const {
    SLUICE_ASSIGN(const auto file, SnapshotFile::open(path_, kMaxTokens));
    state.clear();
    state.resume(file.head().ids.size());
    return file.read_state(runs_of(state));
  }

  std::filesystem::path folder_, path_;
};

// Within a block and at its end, before the window is full and after, with and without rows of every kind.
TEST_F(SnapshotOnDisk, AStateIsReadAsItWasWritten) {
  for (const uint64_t tokens : {0U, 1U, 3U, 4U, 7U, 8U, 127U, 128U, 259U, 1000U}) {
    SequenceState state = sequence_of(tokens);
    bool is_handed_over = false;
    const Status written = write(state, [&] { is_handed_over = true; });
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_TRUE(is_handed_over);
    SequenceState other = sequence_of(500, 2);
    const Status done = read(other);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(other.position(), tokens);
    EXPECT_EQ(bytes_of(other), bytes_of(state)) << tokens;
    EXPECT_EQ(other.layer(1).compressor->rows().size(), tokens / 4);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(SnapshotOnDisk, RowsOf16BitsTakeTheirRoomAndAreReadAsTheyWereWritten) {
  SequenceState wide = sequence_of(259);
  SequenceState state = sequence_of(259, 1, layers_with(RowFormat::kF16));
  EXPECT_LT(bytes_of(state).size(), bytes_of(wide).size());
  ASSERT_TRUE(write(state));
  SequenceState other = sequence_of(500, 2, layers_with(RowFormat::kF16));
  const Status done = read(other);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(bytes_of(other), bytes_of(state));
}

TEST_F(SnapshotOnDisk, ChangingBytesAreAtMostWhatIsSaid) {
  for (const auto& layers : {kSavedLayers, layers_with(RowFormat::kF16)}) {
    for (uint64_t tokens = 0; tokens < 300; ++tokens) {
      SequenceState state = sequence_of(tokens, 1, layers);
      uint64_t bytes = 0;
      for (const auto run : state.changing_bytes()) bytes += run.size();
      EXPECT_LE(bytes, SequenceState::most_changing_bytes(layers));
    }
  }
}

TEST_F(SnapshotOnDisk, EveryFlippedBitAndEveryCutIsNoticed) {
  SequenceState state = sequence_of(9);
  ASSERT_TRUE(write(state));
  std::ifstream in(path_, std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  SequenceState other = sequence_of(0);
  const auto put = [&](const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return read(other);
  };
  ASSERT_TRUE(put(good));
  for (size_t byte = 0; byte < good.size(); ++byte) {
    std::string bytes = good;
    bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << byte % 8));
    const Status done = put(bytes);
    ASSERT_FALSE(done) << byte;
    EXPECT_THAT(done.error().message, HasSubstr("one.kv"));
  }
  for (size_t bytes = 0; bytes < good.size(); bytes += 7) EXPECT_FALSE(put(good.substr(0, bytes))) << bytes;
  EXPECT_EQ(put(good + "x").error().code, ErrorCode::kCorrupt);
}

TEST_F(SnapshotOnDisk, WhatIsNotThereOrCannotBeWrittenIsNamed) {
  EXPECT_EQ(SnapshotFile::open(path_, 1).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(SnapshotFile::open(folder_, 1));
  SequenceState state = sequence_of(9);
  path_ = folder_ / "no" / "folder";
  EXPECT_THAT(write(state).error().message, HasSubstr((folder_ / "no" / "folder").string()));
  path_ = "/dev/full/x";
  EXPECT_EQ(write(state).error().code, ErrorCode::kIo);
}

TEST(SequenceLayout, TellsShapesApart) {
  const auto layout_of = [](std::vector<LayerStateShape> layers, uint64_t context_tokens) {
    return SequenceState::create(layers, context_tokens)->layout();
  };
  const auto own = layout_of(kSavedLayers, 100);
  EXPECT_EQ(layout_of(kSavedLayers, 200), own);  // room is no part of what is remembered
  auto other = kSavedLayers;
  other[2].compressor->overlapping = true;
  EXPECT_NE(layout_of(other, 100), own);
  other = kSavedLayers;
  other[0].window = 16;
  EXPECT_NE(layout_of(other, 100), own);
  other = kSavedLayers;
  std::swap(other[1].compressor, other[0].compressor);
  EXPECT_NE(layout_of(other, 100), own);
  const auto f16 = layout_of(layers_with(RowFormat::kF16), 100);
  EXPECT_NE(f16, own);
  EXPECT_NE(layout_of(layers_with(RowFormat::kBF16), 100), f16);  // of one size
}

}  // namespace
}  // namespace sluice
