// The merges of a byte-pair encoding: which neighbouring tokens become one, and which go first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace sluice {

// Filled once; then const and safe to use from any thread.
class MergeTable {
 public:
  // Working memory of merge(), kept by the caller from piece to piece.
  class Scratch {
    friend class MergeTable;
    struct Symbol {
      int32_t id = 0;  // -1: merged into the symbol on its left
      uint32_t previous = 0;
      uint32_t next = 0;
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> queue;
  };

  // `left` `right` -> `merged`, of lower priority than every merge added before. The last one given for a
  // pair counts.
  void add(int32_t left, int32_t right, int32_t merged);

  size_t size() const { return merged_of_rank_.size(); }

  // Whether some merge yields this id. O(merges).
  bool makes(int32_t merged) const;

  // Merges a piece, always the pair of best rank first and the leftmost of equals, until no merge applies;
  // appends the ids to `out`. O(n log n) in the piece's length. REQUIRES: fewer than 2^32 symbols.
  void merge(std::span<const int32_t> piece, Scratch& scratch, std::vector<int32_t>& out) const;

 private:
  static uint64_t pair_key(int32_t left, int32_t right);
  void push_pair(Scratch& scratch, uint32_t left) const;
  void merge_at(Scratch& scratch, uint32_t left, int32_t merged) const;

  std::unordered_map<uint64_t, uint32_t> rank_of_pair_;
  std::vector<int32_t> merged_of_rank_;
};

}  // namespace sluice
