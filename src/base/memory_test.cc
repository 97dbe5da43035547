#include "base/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

namespace sluice {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

uintptr_t address(const MappedMemory& memory) {
  return reinterpret_cast<uintptr_t>(memory.data());
}

TEST(MappedMemory, IsZeroedWritableAndAlignedToItsSize) {
  for (const size_t size : {size_t{1}, size_t{4095}, size_t{4097}, 2 * kMiB - 1, 2 * kMiB, 5 * kMiB + 3}) {
    auto memory = MappedMemory::allocate(size);
    ASSERT_TRUE(memory.has_value()) << memory.error().message;
    EXPECT_EQ(memory->size_bytes(), size);
    EXPECT_EQ(address(*memory) % (size >= 2 * kMiB ? 2 * kMiB : 4096), 0U) << size;
    EXPECT_TRUE(std::ranges::all_of(memory->bytes(), [](std::byte b) { return b == std::byte{0}; })) << size;
    std::ranges::fill(memory->bytes(), std::byte{0x5A});
    EXPECT_EQ(memory->bytes().back(), std::byte{0x5A});
  }
}

TEST(MappedMemory, OfNoSizeIsEmptyAndNoError) {
  auto memory = MappedMemory::allocate(0);
  ASSERT_TRUE(memory.has_value());
  EXPECT_TRUE(memory->bytes().empty());
}

TEST(MappedMemory, RefusesSizesThatNoSystemHas) {
  constexpr size_t kMost = std::numeric_limits<size_t>::max();
  // The last ones wrap around to a small size when rounded up to pages or given slack for alignment.
  for (const size_t size :
       {size_t{1} << 56, size_t{1} << 62, kMost / 2, kMost - 2 * kMiB, kMost - kMiB, kMost}) {
    const auto memory = MappedMemory::allocate(size);
    ASSERT_FALSE(memory.has_value()) << size;
    EXPECT_EQ(memory.error().code, ErrorCode::kOutOfBudget) << size;
  }
}

TEST(MappedMemory, CanBeReservedBeyondWhatIsTouched) {
  auto memory = MappedMemory::allocate(size_t{256} << 30);
  ASSERT_TRUE(memory.has_value()) << memory.error().message;
  memory->bytes().back() = std::byte{1};
  EXPECT_EQ(memory->bytes().back(), std::byte{1});
}

TEST(MappedMemory, KeepsItsBytesWhenMoved) {
  auto first = MappedMemory::allocate(100);
  auto second = MappedMemory::allocate(3 * kMiB);
  ASSERT_TRUE(first.has_value() && second.has_value());
  first->bytes()[99] = std::byte{7};
  MappedMemory taken = std::move(*first);
  EXPECT_EQ(first->size_bytes(), 0U);
  *second = std::move(taken);
  ASSERT_EQ(second->size_bytes(), 100U);
  EXPECT_EQ(second->bytes()[99], std::byte{7});
}

// Addresses that this process has mapped.
size_t mapped_bytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * 4096;
}

TEST(MappedMemory, GivesBackEverythingItMapped) {
  const size_t before_bytes = mapped_bytes();
  ASSERT_GT(before_bytes, 0U);
  // Whatever alignment costs is given back as well: a leak of one part in a hundred would show.
  for (int round = 0; round < 1000; ++round) ASSERT_TRUE(MappedMemory::allocate(2 * kMiB + 1).has_value());
  EXPECT_LT(mapped_bytes(), before_bytes + 20 * kMiB);
}

TEST(RoundUpAndDown, GoToTheNearestMultiple) {
  EXPECT_EQ(round_up(0, 4096), 0U);
  EXPECT_EQ(round_up(1, 4096), 4096U);
  EXPECT_EQ(round_up(4096, 4096), 4096U);
  EXPECT_EQ(round_up(7, 3), 9U);
  EXPECT_EQ(round_down(4095, 4096), 0U);
  EXPECT_EQ(round_down(8191, 4096), 4096U);
  EXPECT_EQ(round_down(9, 3), 9U);
}

}  // namespace
}  // namespace sluice
