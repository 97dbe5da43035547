#include "text/merge_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace sluice {
namespace {

using Ids = std::vector<int32_t>;

Ids merge(const MergeTable& table, const Ids& piece) {
  MergeTable::Scratch scratch;
  Ids out;
  table.merge(piece, scratch, out);
  return out;
}

// The definition, without any cleverness: find the best pair, merge it, start again.
Ids merge_slowly(const std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>>& merges, Ids ids) {
  while (true) {
    auto best = merges.end();
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = merges.find({ids[i], ids[i + 1]});
      if (found == merges.end() || (best != merges.end() && best->second.first <= found->second.first))
        continue;
      best = found;
      best_at = i;
    }
    if (best == merges.end()) return ids;
    ids[best_at] = best->second.second;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(best_at) + 1);
  }
}

TEST(MergeTable, MergesBestRankFirstAndLeftmostOfEquals) {
  MergeTable table;
  table.add(2, 3, 10);  // bc before ab
  table.add(1, 2, 11);
  table.add(1, 1, 12);
  EXPECT_EQ(merge(table, {1, 2, 3}), (Ids{1, 10}));
  EXPECT_EQ(merge(table, {1, 2, 1}), (Ids{11, 1}));
  EXPECT_EQ(merge(table, {1, 1, 1}), (Ids{12, 1}));
}

TEST(MergeTable, LeavesWhatDoesNotMerge) {
  MergeTable table;
  table.add(1, 2, 10);
  EXPECT_EQ(merge(table, {}), Ids{});
  EXPECT_EQ(merge(table, {5}), Ids{5});
  EXPECT_EQ(merge(table, {2, 1}), (Ids{2, 1}));
}

TEST(MergeTable, LastRankGivenForAPairCounts) {
  MergeTable table;
  table.add(1, 2, 10);
  table.add(2, 3, 11);
  table.add(1, 2, 10);
  EXPECT_EQ(merge(table, {1, 2, 3}), (Ids{1, 11}));
}

TEST(MergeTable, AgreesWithTheDefinitionOnRandomTables) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> merges;
    int32_t ids = 3;
    for (int rank = 0; rank < 12; ++rank) {
      const auto left = static_cast<int32_t>(random() % static_cast<unsigned>(ids));
      const auto right = static_cast<int32_t>(random() % static_cast<unsigned>(ids));
      if (!merges.emplace(std::pair(left, right), std::pair(rank, ids)).second) continue;
      while (static_cast<int>(table.size()) < rank) table.add(-5, -5, 0);  // a rank that was skipped
      table.add(left, right, ids++);
    }
    Ids piece(random() % 60);
    for (int32_t& id : piece) id = static_cast<int32_t>(random() % 3);
    ASSERT_EQ(merge(table, piece), merge_slowly(merges, piece)) << "round " << round;
  }
}

TEST(MergeTable, MergesAVeryLongRun) {
  MergeTable table;
  for (int32_t level = 0; level < 10; ++level) table.add(level, level, level + 1);  // 2^level letters
  const Ids merged = merge(table, Ids((1u << 20) + 3, 0));
  ASSERT_EQ(merged.size(), 1026u);  // 1024 runs of 1024, one pair, one letter
  EXPECT_EQ(merged.front(), 10);
  EXPECT_EQ(merged[1024], 1);
  EXPECT_EQ(merged[1025], 0);
}

}  // namespace
}  // namespace sluice
