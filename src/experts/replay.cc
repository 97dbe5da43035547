#include "experts/replay.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "base/fail.h"
#include "experts/belady.h"
#include "experts/decayed_frequency_policy.h"
#include "experts/forecast_policy.h"
#include "experts/lru_policy.h"

namespace sluice {
namespace {

enum class Slots { kOnePool, kPerLayer };

// What a policy may know when it is made: the geometry, and, for the bound alone, the future.
struct Setting {
  const Trace& trace;
  uint32_t experts;  // of all layers
};

struct Candidate {
  ReplayPolicy policy;
  Slots slots;
  std::unique_ptr<EvictionPolicy> (*make)(const Setting&);
};

std::unique_ptr<EvictionPolicy> make_lru(const Setting& setting) {
  return std::make_unique<LruPolicy>(setting.experts);
}

std::unique_ptr<EvictionPolicy> make_decayed_frequency(const Setting& setting) {
  return std::make_unique<DecayedFrequencyPolicy>(setting.experts);
}

std::unique_ptr<EvictionPolicy> make_forecast(const Setting& setting) {
  const TraceHeader& header = setting.trace.header;
  return std::make_unique<ForecastPolicy>(header.layers, header.experts);
}

// The catalog's index of an expert of a route.
uint32_t index_of(const TraceHeader& header, const TraceRoute& route, size_t rank) {
  return route.layer * header.experts + route.experts[rank];
}

std::unique_ptr<EvictionPolicy> make_belady(const Setting& setting) {
  std::vector<uint32_t> uses;
  for (const TraceRoute& route : setting.trace.routes)
    for (size_t rank = 0; rank < route.experts.size(); ++rank)
      uses.push_back(index_of(setting.trace.header, route, rank));
  return std::make_unique<BeladyPolicy>(setting.experts, uses);
}

constexpr std::array<Candidate, 6> kCandidates = {{
    {{"lru-per-layer", "least recently used, every layer in slots of its own"}, Slots::kPerLayer, make_lru},
    {{"lru", "least recently used, one pool"}, Slots::kOnePool, make_lru},
    {{"decayed-frequency-per-layer", "least often used lately, every layer in slots of its own"},
     Slots::kPerLayer,
     make_decayed_frequency},
    {{"decayed-frequency", "least often used lately, one pool"}, Slots::kOnePool, make_decayed_frequency},
    {{"forecast", "fewest uses to be expected for the time in a slot, one pool"},
     Slots::kOnePool,
     make_forecast},
    {{"belady", "needed furthest in the future, which only a replay knows; one pool"},
     Slots::kOnePool,
     make_belady},
}};

constexpr auto kPolicies = [] {
  std::array<ReplayPolicy, kCandidates.size()> policies;
  for (size_t i = 0; i < policies.size(); ++i) policies[i] = kCandidates[i].policy;
  return policies;
}();

Result<const Candidate*> find_candidate(std::string_view name) {
  for (const Candidate& candidate : kCandidates)
    if (candidate.policy.name == name) return &candidate;
  std::vector<std::string_view> names;
  for (const ReplayPolicy& policy : kPolicies) names.push_back(policy.name);
  return fail(ErrorCode::kInvalidArgument, "there is no policy \"{}\"; there are {} and all", name,
              fmt::join(names, ", "));
}

Result<uint32_t> slots_per_layer(const TraceHeader& header, double share) {
  if (!(share > 0 && share <= 1))
    return fail(ErrorCode::kInvalidArgument,
                "a capacity is {} of all experts, expected more than 0 and at most 1", share);
  // 0.15 × 20 must be 3: decimal fractions are a hair off.
  const auto slots = static_cast<uint32_t>(std::floor(share * header.experts + 1e-9));
  if (slots > 0) return slots;
  return fail(ErrorCode::kInvalidArgument,
              "a capacity of {:.3g} % leaves no slot for a layer of {} experts; give at least {:.3g} %",
              100 * share, header.experts, 100.0 / header.experts);
}

// Slots under one policy, without the bytes.
class Cache {
 public:
  Cache(std::unique_ptr<EvictionPolicy> policy, size_t slots, uint32_t experts)
      : policy_(std::move(policy)), free_slots_(slots), is_held_(experts) {}

  EvictionPolicy& policy() { return *policy_; }

  // Whether it was there; it is afterwards.
  bool use(uint32_t expert) {
    if (is_held_[expert]) {
      policy_->on_hit(expert);
      return true;
    }
    take_slot();
    policy_->on_insert(expert);
    policy_->on_unpin(expert);
    is_held_[expert] = true;
    return false;
  }

 private:
  void take_slot() {
    if (free_slots_ > 0) {
      --free_slots_;
      return;
    }
    // Nothing is pinned here, so that there always is a victim.
    const uint32_t victim = policy_->victim().value();
    policy_->on_evict(victim);
    is_held_[victim] = false;
  }

  std::unique_ptr<EvictionPolicy> policy_;
  size_t free_slots_;
  std::vector<bool> is_held_;  // [experts]
};

std::vector<Cache> make_caches(const Candidate& candidate, const Trace& trace, uint32_t per_layer) {
  const TraceHeader& header = trace.header;
  const Setting setting{trace, header.layers * header.experts};
  const bool is_one_pool = candidate.slots == Slots::kOnePool;
  const size_t slots = is_one_pool ? size_t{per_layer} * header.layers : per_layer;
  std::vector<Cache> caches;
  for (uint32_t i = 0; i < (is_one_pool ? 1 : header.layers); ++i)
    caches.emplace_back(candidate.make(setting), slots, setting.experts);
  return caches;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// The parts between commas, without the spaces around them.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t comma = text.find(','); comma != text.npos; comma = text.find(',')) {
    parts.push_back(trimmed(text.substr(0, comma)));
    text.remove_prefix(comma + 1);
  }
  parts.push_back(trimmed(text));
  return parts;
}

std::optional<double> parse_share(std::string_view text) {
  const bool is_percentage = text.ends_with('%');
  if (is_percentage) text.remove_suffix(1);
  double share = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), share, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (is_percentage) share /= 100;
  return share > 0 && share <= 1 ? std::optional(share) : std::nullopt;
}

uint64_t count_tokens(const Trace& trace) {
  uint64_t tokens = 0;
  std::optional<uint32_t> last;
  for (const TraceRoute& route : trace.routes) {
    if (last != route.token) ++tokens;
    last = route.token;
  }
  return tokens;
}

// `on_token` is told before every token of the trace.
template <class OnToken>
Result<ReplayRow> play(const Trace& trace, std::string_view policy, double share, const OnToken& on_token) {
  SLUICE_ASSIGN(const Candidate* const candidate, find_candidate(policy));
  SLUICE_ASSIGN(const uint32_t per_layer, slots_per_layer(trace.header, share));
  std::vector<Cache> caches = make_caches(*candidate, trace, per_layer);
  ReplayRow row{candidate->policy.name, share, uint64_t{per_layer} * trace.header.layers};
  std::vector<uint32_t> experts;
  std::optional<uint32_t> last_token;
  for (const TraceRoute& route : trace.routes) {
    Cache& cache = caches[caches.size() == 1 ? 0 : route.layer];
    experts.clear();
    for (size_t rank = 0; rank < route.experts.size(); ++rank)
      experts.push_back(index_of(trace.header, route, rank));
    cache.policy().on_route(route.layer, experts);
    const bool is_counted = route.phase == TracePhase::kDecode;
    if (last_token != route.token) {
      on_token();
      if (is_counted) ++row.decode_tokens;
    }
    last_token = route.token;
    for (const uint32_t expert : experts) {
      const bool is_hit = cache.use(expert);
      if (is_counted) ++(is_hit ? row.hits : row.misses);
    }
  }
  return row;
}

}  // namespace

std::span<const ReplayPolicy> replay_policies() {
  return kPolicies;
}

Result<ReplayRow> replay(const Trace& trace, std::string_view policy, double share) {
  return play(trace, policy, share, [] {});
}

Result<std::vector<ReplayRow>> replay_all(const Trace& trace, std::string_view policies,
                                          std::span<const double> shares, const ReplayProgress& on_progress) {
  std::vector<std::string_view> names = split(policies);
  if (policies == "all") {
    names.clear();
    for (const ReplayPolicy& policy : kPolicies) names.push_back(policy.name);
  }
  // What cannot be played is said at once, not after minutes.
  for (const double share : shares) SLUICE_TRY(slots_per_layer(trace.header, share));
  for (const std::string_view name : names) SLUICE_TRY(find_candidate(name));
  const uint64_t total_tokens = count_tokens(trace) * names.size() * shares.size();
  uint64_t done_tokens = 0;
  std::vector<ReplayRow> rows;
  for (const double share : shares) {
    for (const std::string_view name : names) {
      SLUICE_ASSIGN(const ReplayRow row, play(trace, name, share, [&] {
                      if (on_progress) on_progress(done_tokens, total_tokens);
                      ++done_tokens;
                    }));
      rows.push_back(row);
    }
  }
  if (on_progress) on_progress(done_tokens, total_tokens);
  return rows;
}

Result<std::vector<double>> parse_shares(std::string_view text) {
  std::vector<double> shares;
  for (const std::string_view part : split(text)) {
    const auto share = parse_share(part);
    if (!share)
      return fail(ErrorCode::kInvalidArgument, "capacity \"{}\": expected shares such as 8%,15% or 0.25",
                  part);
    shares.push_back(*share);
  }
  return shares;
}

}  // namespace sluice
