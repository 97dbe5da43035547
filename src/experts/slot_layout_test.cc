#include "experts/slot_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "storage/test_files.h"

namespace sluice {
namespace {

ExpertCatalog one_expert(std::vector<Extent> parts) {
  const auto count = static_cast<uint32_t>(parts.size());
  return *ExpertCatalog::create(1, 1, count, std::move(parts));
}

TEST(SlotLayout, ReadsTheAlignedSupersetAndFindsThePartInIt) {
  const SlotLayout layout(one_expert({{2, 5000, 100}}), 4096);
  ASSERT_EQ(layout.reads(0).size(), 1u);
  const SlotRead& read = layout.reads(0)[0];
  EXPECT_EQ(read.file, 2u);
  EXPECT_EQ(read.offset_bytes, 4096u);
  EXPECT_EQ(read.size_bytes, 4096u);
  EXPECT_EQ(read.needed_bytes, 1004u);
  EXPECT_EQ(layout.part_offset_bytes(0, 0), 904u);
  EXPECT_EQ(layout.slot_bytes(), 4096u);
}

TEST(SlotLayout, CloseAndOverlappingPartsOfAFileBecomeOneRead) {
  const SlotLayout layout(one_expert({{0, 9000, 100}, {0, 100, 8950}, {0, 20'000, 10}, {0, 9000, 100}}),
                          4096);
  ASSERT_EQ(layout.reads(0).size(), 1u);
  EXPECT_EQ(layout.reads(0)[0].size_bytes, 20'480u);
  EXPECT_EQ(layout.reads(0)[0].needed_bytes, 20'010u);
}

TEST(SlotLayout, DistantPartsAndOtherFilesAreReadsOfTheirOwn) {
  const SlotLayout layout(one_expert({{0, 0, 100}, {0, 1'000'000, 100}, {1, 0, 100}}), 4096);
  EXPECT_EQ(layout.reads(0).size(), 3u);
  EXPECT_EQ(layout.slot_bytes(), 3u * 4096u);
}

// What the reads of one expert leave in a slot; every property of a read is checked on the way.
std::vector<std::byte> fill_slot(const SlotLayout& layout, uint32_t expert, size_t alignment) {
  std::vector<std::byte> slot(layout.slot_bytes(), std::byte{0xEE});
  uint64_t free_bytes = 0;
  for (const SlotRead& read : layout.reads(expert)) {
    EXPECT_EQ(read.offset_bytes % alignment, 0u);
    EXPECT_EQ(read.size_bytes % alignment, 0u);
    EXPECT_EQ(read.slot_offset_bytes % layout.slot_alignment_bytes(), 0u);
    EXPECT_GE(read.slot_offset_bytes, free_bytes) << "reads overlap";
    EXPECT_GE(read.needed_bytes, 1u);
    EXPECT_LE(read.needed_bytes, read.size_bytes);
    EXPECT_LT(read.size_bytes - read.needed_bytes, alignment) << "more than was asked for";
    free_bytes = read.slot_offset_bytes + read.size_bytes;
    if (free_bytes > slot.size()) {
      ADD_FAILURE() << "a read goes past the slot";
      return slot;
    }
    for (uint64_t i = 0; i < read.needed_bytes; ++i) {
      slot[read.slot_offset_bytes + i] = byte_at(read.file, read.offset_bytes + i);
    }
  }
  return slot;
}

TEST(SlotLayout, EveryPartIsWhereItSaysForAnyExtents) {
  std::mt19937_64 random(20'240'607);
  for (int round = 0; round < 200; ++round) {
    const size_t alignment = size_t{1} << (random() % 14);  // 1 ... 8192
    const uint64_t spread_bytes = 1 + random() % 300'000;
    std::vector<Extent> extents(2 * 3 * 5);
    for (Extent& extent : extents) {
      extent = {static_cast<uint32_t>(random() % 3), random() % spread_bytes, 1 + random() % 9000};
    }
    for (size_t i = 0; i < extents.size(); i += 5)
      extents[i + 1 + random() % 4].size_bytes = 0;  // a part it lacks
    const ExpertCatalog catalog = *ExpertCatalog::create(2, 3, 5, extents);
    const SlotLayout layout(catalog, alignment);
    ASSERT_EQ(layout.slot_bytes() % layout.slot_alignment_bytes(), 0u);
    ASSERT_EQ(layout.slot_alignment_bytes() % alignment, 0u);
    for (uint32_t expert = 0; expert < catalog.expert_count(); ++expert) {
      const auto slot = fill_slot(layout, expert, alignment);
      for (size_t part = 0; part < 5; ++part) {
        const Extent& extent = catalog.parts(expert)[part];
        const uint64_t at = layout.part_offset_bytes(expert, part);
        ASSERT_LE(at + extent.size_bytes, slot.size());
        for (uint64_t i = 0; i < extent.size_bytes; ++i) {
          ASSERT_EQ(slot[at + i], byte_at(extent.file, extent.offset_bytes + i)) << "round " << round;
        }
      }
    }
  }
}

TEST(SlotLayout, TheSlotIsAsLargeAsTheLargestExpertAndNoLarger) {
  const ExpertCatalog catalog =
      *ExpertCatalog::create(1, 3, 1, {{0, 0, 10}, {0, 8192, 9000}, {0, 40'960, 4096}});
  EXPECT_EQ(SlotLayout(catalog, 4096).slot_bytes(), 12'288u);
  EXPECT_EQ(SlotLayout(catalog, 1).slot_bytes(), 9024u);
}

}  // namespace
}  // namespace sluice
