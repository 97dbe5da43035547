#include "cli/replay_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/json_output.h"

namespace sluice {
namespace {

struct TokenCounts {
  uint64_t prefill = 0;
  uint64_t decode = 0;
};

TokenCounts count_tokens(const Trace& trace) {
  TokenCounts counts;
  std::optional<uint32_t> last;
  for (const TraceRoute& route : trace.routes) {
    if (last != route.token) ++(route.phase == TracePhase::kPrefill ? counts.prefill : counts.decode);
    last = route.token;
  }
  return counts;
}

double read_bytes_per_token(const Trace& trace, const ReplayRow& row) {
  return static_cast<double>(row.misses * trace.header.expert_bytes) / static_cast<double>(row.decode_tokens);
}

// How many policies were played at each capacity.
size_t policies_in(std::span<const ReplayRow> rows) {
  size_t count = 0;
  while (count < rows.size() && rows[count].share == rows[0].share) ++count;
  return count;
}

// `cell` turns a row into at most 9 characters.
template <class Cell>
std::string table(const char* title, std::span<const ReplayRow> rows, const Cell& cell) {
  const size_t policies = policies_in(rows);
  std::string text = fmt::format("{:<30}", title);
  for (size_t first = 0; first < rows.size(); first += policies)
    text += fmt::format("{:>9}", fmt::format("{:.3g} %", 100 * rows[first].share));
  for (size_t policy = 0; policy < policies; ++policy) {
    text += fmt::format("\n{:<30}", rows[policy].policy);
    for (size_t i = policy; i < rows.size(); i += policies) text += fmt::format("{:>9}", cell(rows[i]));
  }
  return text + "\n";
}

}  // namespace

std::string describe_replay(const Trace& trace, std::span<const ReplayRow> rows) {
  const TraceHeader& header = trace.header;
  const TokenCounts tokens = count_tokens(trace);
  double most_read_bytes = 0;
  for (const ReplayRow& row : rows)
    most_read_bytes = std::max(most_read_bytes, read_bytes_per_token(trace, row));
  const int decimals = most_read_bytes >= 1e8 ? 1 : 3;  // all alike, so that a column reads as one
  return fmt::format("{}: {} layers of {} experts, {} per token; {} tokens to warm up, {} counted\n\n",
                     header.model, header.layers, header.experts, header.experts_per_token, tokens.prefill,
                     tokens.decode) +
         table("hits, at a capacity of", rows,
               [](const ReplayRow& row) { return fmt::format("{:.1f} %", 100 * row.hit_rate()); }) +
         "\n" + table("MB to read per token", rows, [&](const ReplayRow& row) {
           return fmt::format("{:.{}f}", read_bytes_per_token(trace, row) / 1e6, decimals);
         });
}

std::string replay_as_json(const Trace& trace, std::span<const ReplayRow> rows) {
  const TraceHeader& header = trace.header;
  const TokenCounts tokens = count_tokens(trace);
  nlohmann::ordered_json json = {{"model", header.model},
                                 {"layers", header.layers},
                                 {"experts", header.experts},
                                 {"experts_per_token", header.experts_per_token},
                                 {"expert_bytes", header.expert_bytes},
                                 {"prefill_tokens", tokens.prefill},
                                 {"decode_tokens", tokens.decode},
                                 {"rows", nlohmann::ordered_json::array()}};
  for (const ReplayRow& row : rows) {
    json["rows"].push_back({{"policy", row.policy},
                            {"capacity", row.share},
                            {"slots", row.slots},
                            {"hits", row.hits},
                            {"misses", row.misses},
                            {"hit_rate", row.hit_rate()},
                            {"read_bytes_per_token", read_bytes_per_token(trace, row)}});
  }
  return json_line(json);
}

}  // namespace sluice
