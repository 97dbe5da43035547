#include "experts/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

using testing::HasSubstr;

// Part p of expert e of layer l: at byte 100·l + 10·e + p of file l, p + 1 bytes long.
std::vector<Extent> extents_of(uint32_t layers, uint32_t experts, uint32_t parts) {
  std::vector<Extent> extents;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    for (uint32_t expert = 0; expert < experts; ++expert) {
      for (uint32_t part = 0; part < parts; ++part)
        extents.push_back({layer, layer * 100 + expert * 10 + part, part + 1});
    }
  }
  return extents;
}

TEST(ExpertCatalog, FindsTheExtentsOfEveryExpert) {
  const auto catalog = ExpertCatalog::create(2, 3, 4, extents_of(2, 3, 4));
  ASSERT_TRUE(catalog.has_value());
  EXPECT_EQ(catalog->expert_count(), 6u);
  const uint32_t index = catalog->index({1, 2});
  EXPECT_EQ(catalog->id(index), (ExpertId{1, 2}));
  ASSERT_EQ(catalog->parts(index).size(), 4u);
  EXPECT_EQ(catalog->parts(index)[3], (Extent{1, 123, 4}));
  EXPECT_EQ(catalog->expert_bytes(index), 1u + 2 + 3 + 4);
  EXPECT_EQ(catalog->total_bytes(), 60u);
}

TEST(ExpertCatalog, RefusesACountThatDoesNotMatch) {
  auto extents = extents_of(2, 3, 4);
  extents.pop_back();
  const auto catalog = ExpertCatalog::create(2, 3, 4, extents);
  ASSERT_FALSE(catalog.has_value());
  EXPECT_EQ(catalog.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(catalog.error().message, HasSubstr("23 extents"));
  EXPECT_FALSE(ExpertCatalog::create(0, 3, 4, {}).has_value());
  EXPECT_FALSE(ExpertCatalog::create(2, 3, 0, {}).has_value());
  EXPECT_FALSE(ExpertCatalog::create(1U << 31, 2, 1, extents_of(1, 1, 1)).has_value());
}

TEST(ExpertCatalog, RefusesAnEndlessPartAndNamesIt) {
  for (const Extent& bad : {Extent{0, ~uint64_t{0}, 2}, Extent{0, 5, ~uint64_t{0}}}) {
    auto extents = extents_of(2, 3, 4);
    extents[1 * 12 + 2 * 4 + 3] = bad;
    const auto catalog = ExpertCatalog::create(2, 3, 4, extents);
    ASSERT_FALSE(catalog.has_value());
    EXPECT_THAT(catalog.error().message, HasSubstr("layer 1, expert 2, part 3"));
  }
}

TEST(ExpertCatalog, AnExpertMayLackPartsButNotAll) {
  auto extents = extents_of(2, 3, 4);
  for (size_t part = 0; part < 3; ++part) extents[1 * 12 + 2 * 4 + part].size_bytes = 0;
  EXPECT_TRUE(ExpertCatalog::create(2, 3, 4, extents).has_value());
  extents[1 * 12 + 2 * 4 + 3].size_bytes = 0;
  const auto catalog = ExpertCatalog::create(2, 3, 4, extents);
  ASSERT_FALSE(catalog.has_value());
  EXPECT_THAT(catalog.error().message, HasSubstr("layer 1, expert 2"));
}

}  // namespace
}  // namespace sluice
