// For tests only: recorded traces, and made-up ones in which routing follows one simple law.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "experts/trace.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline Trace recorded_trace(const std::string& name) {
  const auto folder = std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/data/traces";
  auto trace = read_trace(folder / (name + ".csv"));
  return trace ? *std::move(trace) : Trace{};
}

// Numbers from a seed, the same on every machine.
class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  bool chance(double probability) { return double(engine_()) < probability * 4294967296.0; }

 private:
  std::mt19937 engine_;
};

// `next` names one expert after the other, for a token and layer, until there are enough distinct ones.
inline Trace made_up_trace(const TraceHeader& header, uint32_t prefill_tokens, uint32_t decode_tokens,
                           const std::function<uint32_t(uint32_t token, uint32_t layer)>& next) {
  Trace trace{header, {}};
  for (uint32_t token = 0; token < prefill_tokens + decode_tokens; ++token) {
    for (uint32_t layer = 0; layer < header.layers; ++layer) {
      TraceRoute route;
      route.phase = token < prefill_tokens ? TracePhase::kPrefill : TracePhase::kDecode;
      route.token = token;
      route.layer = layer;
      route.weights.assign(header.experts_per_token, 1.0F / float(header.experts_per_token));
      while (route.experts.size() < header.experts_per_token) {
        const uint32_t expert = next(token, layer);
        if (std::ranges::find(route.experts, expert) == route.experts.end()) route.experts.push_back(expert);
      }
      trace.routes.push_back(std::move(route));
    }
  }
  return trace;
}

inline constexpr uint32_t kMadeUpLayers = 12;
inline constexpr uint32_t kMadeUpExperts = 64;

inline TraceHeader made_up_header(std::string_view model) {
  return {std::string(model), kMadeUpLayers, kMadeUpExperts, 4, 1000, false};
}

// Every expert is as probable as any other: nothing can be learned.
inline Trace uniform_trace(uint32_t decode_tokens) {
  Dice dice(1);
  return made_up_trace(made_up_header("uniform"), 16, decode_tokens,
                       [&](uint32_t, uint32_t) { return dice.below(kMadeUpExperts); });
}

// The n-th most popular expert of a layer is 1/n as popular as the first; which one that is differs by layer.
inline Trace zipf_trace(uint32_t decode_tokens) {
  Dice dice(2);
  std::vector<double> up_to;
  double sum = 0;
  for (uint32_t n = 1; n <= kMadeUpExperts; ++n) up_to.push_back(sum += 1.0 / n);
  return made_up_trace(made_up_header("zipf"), 16, decode_tokens, [&](uint32_t, uint32_t layer) {
    const double drawn = dice.below(1u << 20) * sum / (1u << 20);
    const auto rank = static_cast<uint32_t>(std::ranges::upper_bound(up_to, drawn) - up_to.begin());
    return (rank * 29 + layer * 7) % kMadeUpExperts;
  });
}

// A topic favours eight experts of every layer; it changes about every 30 tokens. With `texts` > 1, the
// tokens of as many texts take turns.
inline Trace topics_trace(uint32_t decode_tokens, uint32_t texts = 1) {
  Dice dice(3);
  std::vector<uint32_t> topics(texts);
  uint32_t last_token = 0;
  return made_up_trace(made_up_header("topics"), 16, decode_tokens,
                       [&, texts](uint32_t token, uint32_t layer) {
                         uint32_t& topic = topics[token % texts];
                         if (token != last_token && dice.chance(1.0 / 30)) topic = dice.below(6);
                         last_token = token;
                         if (dice.chance(0.2)) return dice.below(kMadeUpExperts);
                         return (topic * 8 + layer * 5 + dice.below(8)) % kMadeUpExperts;
                       });
}

// All experts of a layer in turn, again and again: what was used longest ago is needed next.
inline Trace cyclic_trace(uint32_t decode_tokens) {
  uint32_t count = 0;
  return made_up_trace(
      made_up_header("cyclic"), 16, decode_tokens,
      [count](uint32_t token, uint32_t) mutable { return (token * 4 + count++ % 4) % kMadeUpExperts; });
}

// What the last tokens asked for is asked for again, and is forgotten for good after a while.
inline Trace recency_trace(uint32_t decode_tokens) {
  Dice dice(4);
  std::vector<std::vector<uint32_t>> recent(kMadeUpLayers);
  return made_up_trace(made_up_header("recency"), 16, decode_tokens, [&](uint32_t, uint32_t layer) {
    auto& stack = recent[layer];
    uint32_t depth = 0;
    while (depth < 40 && dice.chance(0.85)) ++depth;
    const uint32_t expert = depth < stack.size() ? stack[depth] : dice.below(kMadeUpExperts);
    std::erase(stack, expert);
    stack.insert(stack.begin(), expert);
    return expert;
  });
}

}  // namespace sluice::testing
