#include "kv/sequence_state.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "numerics/rows.h"

namespace sluice {
namespace {

const std::vector<LayerStateShape> kLayers = {
    {8, 4, std::nullopt, std::nullopt},
    {8, 4, CompressorShape{4, 4, true}, CompressorShape{4, 2, true}},
    {8, 4, CompressorShape{128, 4, false}, std::nullopt},
};

float first_of(const std::byte* row) {
  float value = 0;
  decode_row(RowFormat::kF32, row, {&value, 1});
  return value;
}

TEST(WindowRing, KeepsExactlyTheLastRows) {
  WindowRing ring(8, 2);
  for (uint64_t position = 0; position < 21; ++position)
    *ring.row(position) = static_cast<std::byte>(position);
  for (uint64_t position = 13; position < 21; ++position) {
    EXPECT_EQ(*ring.row(position), static_cast<std::byte>(position));
  }
}

TEST(RowStore, RowsStayWhereTheyAreAndHoldWhatWasWritten) {
  for (const RowFormat format : {RowFormat::kF32, RowFormat::kF16}) {
    auto store = RowStore::create(1000, 3, format);
    ASSERT_TRUE(store.has_value());
    const std::byte* first = store->append();
    for (int i = 1; i < 1000; ++i) std::memset(store->append(), i % 256, store->row_bytes());
    EXPECT_EQ(store->row(0), first);
    EXPECT_EQ(store->row(999), first + 999 * 3 * element_bytes(format));
    EXPECT_EQ(store->row(999)[store->row_bytes() - 1], std::byte{999 % 256});
    EXPECT_EQ(store->row(998)[store->row_bytes() - 1], std::byte{998 % 256});
    EXPECT_EQ(store->size(), 1000U);
    store->clear();
    EXPECT_EQ(store->append(), first);
  }
}

TEST(CompressorState, AClosedBlockBecomesThePreviousOneOnlyWhereBlocksOverlap) {
  auto overlapping = CompressorState::create({4, 3, true}, 64);
  ASSERT_TRUE(overlapping.has_value());
  overlapping->pending_kv(2)[5] = 7.0F;
  overlapping->pending_gate(3)[0] = 9.0F;
  overlapping->close_block();
  EXPECT_EQ(overlapping->previous_kv(2)[5], 7.0F);
  EXPECT_EQ(overlapping->previous_gate(3)[0], 9.0F);
}

TEST(SequenceState, PretendsToHaveTakenInTokens) {
  auto state = SequenceState::create(kLayers, 300);
  ASSERT_TRUE(state.has_value());
  state->pretend(259, 1);
  EXPECT_EQ(state->position(), 259U);
  EXPECT_EQ(state->layer(1).compressor->rows().size(), 64U);
  EXPECT_EQ(state->layer(1).indexer->rows().size(), 64U);
  EXPECT_EQ(state->layer(2).compressor->rows().size(), 2U);
  // What a next token reads: the window, closed rows, the open block and the one before it.
  EXPECT_NE(first_of(state->layer(0).window.row(258)), first_of(state->layer(0).window.row(257)));
  const RowStore& rows = state->layer(1).compressor->rows();
  EXPECT_NE(first_of(rows.row(63)), first_of(rows.row(62)));
  EXPECT_NE(state->layer(1).compressor->pending_kv(2)[0], 0.0F);
  EXPECT_NE(state->layer(1).compressor->previous_kv(0)[0], 0.0F);
  EXPECT_NE(state->layer(1).compressor->previous_kv(0)[0], state->layer(1).compressor->pending_kv(0)[0]);
}

TEST(SequenceState, HasRoomForEveryRowOfItsContext) {
  auto state = SequenceState::create(kLayers, 4096);
  ASSERT_TRUE(state.has_value());
  for (int row = 0; row < 1024; ++row) state->layer(1).compressor->rows().append()[15] = std::byte{1};
  for (int row = 0; row < 32; ++row) state->layer(2).compressor->rows().append()[15] = std::byte{1};
  EXPECT_EQ(state->layer(1).compressor->rows().size(), 1024U);
}

TEST(SequenceState, BytesWhenFullCountKeysAndValuesOnce) {
  // Windows 3*8*4; CSA rows 1024*4 and 2 blocks of 4*8 twice; index rows 1024*2 and blocks of 4*4; HCA 32*4,
  // 128*4 twice.
  const uint64_t floats = 3 * 8 * 4 + 1024 * 4 + 4 * 4 * 8 + 1024 * 2 + 4 * 4 * 4 + 32 * 4 + 2 * 128 * 4;
  EXPECT_EQ(SequenceState::bytes_when_full(kLayers, 4096), floats * 4);
  auto halves = kLayers;
  for (LayerStateShape& layer : halves) {
    layer.row_format = RowFormat::kF16;
    if (layer.compressor) layer.compressor->row_format = RowFormat::kF16;
    if (layer.indexer) layer.indexer->row_format = RowFormat::kF16;
  }
  // What blocks are closed from stays as it is.
  const uint64_t block_floats = 4 * 4 * 8 + 4 * 4 * 4 + 2 * 128 * 4;
  EXPECT_EQ(SequenceState::bytes_when_full(halves, 4096), (floats - block_floats) * 2 + block_floats * 4);
}

TEST(SequenceState, ClearForgetsRowsAndPosition) {
  auto state = SequenceState::create(kLayers, 4096);
  ASSERT_TRUE(state.has_value());
  state->layer(1).compressor->rows().append();
  state->advance(4);
  state->clear();
  EXPECT_EQ(state->position(), 0U);
  EXPECT_EQ(state->layer(1).compressor->rows().size(), 0U);
}

TEST(SequenceState, AnImpossibleContextIsRefused) {
  const auto state = SequenceState::create(kLayers, uint64_t{1} << 52);
  ASSERT_FALSE(state.has_value());
  EXPECT_EQ(state.error().code, ErrorCode::kOutOfBudget);
}

}  // namespace
}  // namespace sluice
