#include "storage/read_draw.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sluice {
namespace {

constexpr size_t kAlignmentBytes = 512;

TEST(ReadDraw, CoversWhatIsWantedWithWholeUnits) {
  const std::vector<Extent> extents = {{0, 100, 1000}, {1, 512, 512}, {2, 1023, 2}};
  ReadDraw draw(extents, 0, kAlignmentBytes, 1);
  std::set<uint32_t> seen;
  for (int i = 0; i < 100; ++i) {
    const DrawnRead read = draw.next();
    const Extent& extent = extents[read.file];
    EXPECT_EQ(read.offset_bytes, read.file == 2 ? 512U : extent.offset_bytes / 512 * 512);
    EXPECT_EQ(read.size_bytes, (std::vector<uint64_t>{1536, 512, 1024}[read.file]));
    EXPECT_EQ(read.offset_bytes + read.needed_bytes, extent.end_bytes());
    EXPECT_EQ(read.wanted_bytes, extent.size_bytes);
    EXPECT_LE(read.size_bytes, draw.largest_bytes());
    seen.insert(read.file);
  }
  EXPECT_EQ(seen.size(), extents.size());
}

TEST(ReadDraw, TakesWholeBlocksWhereThereAreAny) {
  const std::vector<Extent> extents = {{0, 4096, 3 * 1024 + 100}, {1, 0, 700}};
  ReadDraw draw(extents, 1024, kAlignmentBytes, 1);
  std::set<uint64_t> offsets;
  for (int i = 0; i < 100; ++i) {
    const DrawnRead read = draw.next();
    EXPECT_EQ(read.wanted_bytes, read.file == 0 ? 1024U : 700U);
    if (read.file == 0) offsets.insert(read.offset_bytes);
  }
  EXPECT_EQ(offsets, (std::set<uint64_t>{4096, 5120, 6144}));
}

TEST(ReadDraw, TheSameSeedDrawsTheSameReads) {
  const std::vector<Extent> extents = {{0, 0, 1 << 20}};
  const auto offsets = [&](uint64_t seed) {
    ReadDraw draw(extents, 4096, kAlignmentBytes, seed);
    std::vector<uint64_t> drawn;
    for (int i = 0; i < 20; ++i) drawn.push_back(draw.next().offset_bytes);
    return drawn;
  };
  EXPECT_EQ(offsets(3), offsets(3));
  EXPECT_NE(offsets(3), offsets(4));
}

}  // namespace
}  // namespace sluice
