// How often a policy would have had what a recorded run asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experts/trace.h"
#include "sluice/result.h"

namespace sluice {

// One policy at one capacity.
struct ReplayRow {
  std::string_view policy;     // one of replay_policies()
  double share = 0;            // of all experts of all layers that was asked for, 0 ... 1
  uint64_t slots = 0;          // what came of it, over all layers
  uint64_t decode_tokens = 0;  // the counts below are of these
  uint64_t hits = 0;
  uint64_t misses = 0;

  uint64_t accesses() const { return hits + misses; }
  double hit_rate() const { return accesses() == 0 ? 0 : double(hits) / double(accesses()); }  // 0 ... 1
};

// A policy that can be replayed.
struct ReplayPolicy {
  std::string_view name;         // "lru"
  std::string_view description;  // one line for people
};

// From the simplest to the bound: lru-per-layer, lru, decayed-frequency-per-layer, decayed-frequency,
// forecast, belady.
std::span<const ReplayPolicy> replay_policies();

// Plays the trace once. Every layer gets the same number of slots, rounded down; policies with one pool get
// as many in all. Experts are asked for in the order of token, layer and router's rank; prefill warms the
// cache and is not counted. Reads nothing, knows nothing of time. kInvalidArgument for an unknown policy, a
// share that is not within 0 ... 1, or one that leaves a layer without a slot.
Result<ReplayRow> replay(const Trace& trace, std::string_view policy, double share);

// How many tokens were played, of how many over all replays.
using ReplayProgress = std::function<void(uint64_t done_tokens, uint64_t total_tokens)>;

// Every policy at every share; `policies` as `sluice replay --policy` takes them: names joined by commas, or
// "all". Rows by share, then in the order of the names. `on_progress`, unless empty, is called before every
// token and at the end.
Result<std::vector<ReplayRow>> replay_all(const Trace& trace, std::string_view policies,
                                          std::span<const double> shares,
                                          const ReplayProgress& on_progress = {});

// "8%,15%,0.25": percentages, or shares without the sign. kInvalidArgument, quoting the part, for anything
// else and for shares that are not above 0 and at most 1.
Result<std::vector<double>> parse_shares(std::string_view text);

}  // namespace sluice
