// Recorded routing: what a model's routers asked for, token by token. The ground on which policies are
// judged.
//
//   # sluice-trace v1
//   # model=Qwen3-30B-A3B layers=48 experts=128 experts_per_token=6 expert_bytes=3059712
//   phase,token,layer,experts,weights
//   prefill,0,0,49+19+58+29+16+70,0.2213+0.19184+0.19079+0.14712+0.13674+0.11221
//
// One line for every (token, layer) that was routed, tokens and within them layers in ascending order,
// prefill before decode. Experts stand in the router's order, the strongest first, each once; there are fewer
// than experts_per_token where a router names one twice. A layer may be missing (the last one has nothing to
// say about most of a prompt). Version 2 adds a sixth column, `scores`: what the
// router gave to each of the layer's experts, chosen or not, in the order of their numbers; higher is chosen
// sooner. It is empty for a layer that has no scores (one whose experts follow from the token's id). Numbers
// are joined by `+`, so an exponent is written without one: 1e5.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

enum class TracePhase { kPrefill, kDecode };

struct TraceHeader {
  std::string model;  // not empty, no white space
  uint32_t layers = 0;
  uint32_t experts = 0;            // of one layer
  uint32_t experts_per_token = 0;  // that a layer is routed to, at most
  uint64_t expert_bytes = 0;       // of one expert
  bool has_scores = false;         // version 2
};

// One token's routing at one layer.
struct TraceRoute {
  TracePhase phase = TracePhase::kPrefill;
  uint32_t token = 0;             // counts through prefill and decode
  uint32_t layer = 0;             // < layers
  std::vector<uint32_t> experts;  // [1 ... experts_per_token], distinct, each < experts, strongest first
  std::vector<float> weights;     // of each of them, finite
  std::vector<float> scores;      // [experts] in version 2, or none
};

struct Trace {
  TraceHeader header;
  std::vector<TraceRoute> routes;  // ascending by (token, layer); prefill before decode
};

// Limits of a trace; more is refused.
inline constexpr uint64_t kMaxTraceBytes = uint64_t{1} << 31;
inline constexpr uint32_t kMaxTraceLayers = 1024;
inline constexpr uint32_t kMaxTraceExperts = 4096;  // of one layer
inline constexpr uint32_t kMaxTraceTokens = 1u << 24;

// How many bytes of a trace's text were parsed, of how many.
using TraceProgress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

// `name` stands in errors, which are all kCorrupt ("<name>:<line>: found ..., expected ..."). `on_progress`,
// unless empty, is called now and then.
Result<Trace> parse_trace(std::string_view text, std::string_view name,
                          const TraceProgress& on_progress = {});

// kNotFound or kIo when the file cannot be read, kInvalidArgument when it is longer than kMaxTraceBytes, and
// what parse_trace says.
Result<Trace> read_trace(const std::filesystem::path& path, const TraceProgress& on_progress = {});

// The text that parse_trace reads back to the same trace, every number to the bit. kInvalidArgument, naming
// the route, for a trace that does not keep the rules above.
Result<std::string> format_trace(const Trace& trace);

// Replaces the file. kIo when it cannot be written, kInvalidArgument for more than kMaxTraceBytes, and what
// format_trace says.
Status write_trace(const Trace& trace, const std::filesystem::path& path);

}  // namespace sluice
