#include "text/merge_table.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace sluice {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

}  // namespace

uint64_t MergeTable::pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

void MergeTable::add(int32_t left, int32_t right, int32_t merged) {
  rank_of_pair_[pair_key(left, right)] = static_cast<uint32_t>(merged_of_rank_.size());
  merged_of_rank_.push_back(merged);
}

bool MergeTable::makes(int32_t merged) const {
  return std::ranges::find(merged_of_rank_, merged) != merged_of_rank_.end();
}

// Queues the pair that starts at symbol `left`, if it can merge. An entry is rank above position, so that the
// smallest is the next merge.
void MergeTable::push_pair(Scratch& scratch, uint32_t left) const {
  const uint32_t right = scratch.symbols[left].next;
  if (right == kNone) return;
  const auto rank = rank_of_pair_.find(pair_key(scratch.symbols[left].id, scratch.symbols[right].id));
  if (rank == rank_of_pair_.end()) return;
  scratch.queue.push_back(static_cast<uint64_t>(rank->second) << 32 | left);
  std::ranges::push_heap(scratch.queue, std::greater<>());
}

void MergeTable::merge_at(Scratch& scratch, uint32_t left, int32_t merged) const {
  auto& symbols = scratch.symbols;
  const uint32_t right = symbols[left].next;
  symbols[left].id = merged;
  symbols[left].next = symbols[right].next;
  symbols[right].id = -1;
  if (symbols[left].next != kNone) symbols[symbols[left].next].previous = left;
  if (symbols[left].previous != kNone) push_pair(scratch, symbols[left].previous);
  push_pair(scratch, left);
}

void MergeTable::merge(std::span<const int32_t> piece, Scratch& scratch, std::vector<int32_t>& out) const {
  auto& symbols = scratch.symbols;
  symbols.resize(piece.size());
  scratch.queue.clear();
  const auto count = static_cast<uint32_t>(piece.size());
  for (uint32_t i = 0; i < count; ++i) {
    symbols[i] = {piece[i], i == 0 ? kNone : i - 1, i + 1 == count ? kNone : i + 1};
  }
  for (uint32_t i = 0; i < count; ++i) push_pair(scratch, i);

  while (!scratch.queue.empty()) {
    std::ranges::pop_heap(scratch.queue, std::greater<>());
    const uint64_t entry = scratch.queue.back();
    scratch.queue.pop_back();
    const auto left = static_cast<uint32_t>(entry);
    const int32_t merged = merged_of_rank_[entry >> 32];
    // The entry is stale when its symbols have changed since, unless what stands there now merges to the
    // same.
    if (symbols[left].id < 0 || symbols[left].next == kNone) continue;
    const auto now = rank_of_pair_.find(pair_key(symbols[left].id, symbols[symbols[left].next].id));
    if (now == rank_of_pair_.end() || merged_of_rank_[now->second] != merged) continue;
    merge_at(scratch, left, merged);
  }
  for (const auto& symbol : symbols) {
    if (symbol.id >= 0) out.push_back(symbol.id);
  }
}

}  // namespace sluice
