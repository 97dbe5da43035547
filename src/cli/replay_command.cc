// sluice replay: how well each cache policy would have served a recorded run.
#include "experts/replay.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/progress_line.h"
#include "cli/replay_table.h"

namespace sluice {
namespace {

struct ReplayOptions {
  std::string trace;
  std::string capacity = "8%,15%,25%,40%";
  std::string policy = "all";
  bool json = false;
};

// Shows how far it is: traces may be gigabytes, and playing them takes minutes.
Result<Trace> read_showing(const ReplayOptions& options, Console& console) {
  ProgressLine line(console.err);
  TraceProgress on_progress;
  if (!console.quiet)
    on_progress = [&](uint64_t done, uint64_t total) { line.update_bytes("reading the trace", done, total); };
  return read_trace(options.trace, on_progress);
}

Result<std::vector<ReplayRow>> replay_showing(const Trace& trace, const ReplayOptions& options,
                                              std::span<const double> shares, Console& console) {
  ProgressLine line(console.err);
  ReplayProgress on_progress;
  if (!console.quiet)
    on_progress = [&](uint64_t done, uint64_t total) { line.update_tokens("replaying", done, total); };
  return replay_all(trace, options.policy, shares, on_progress);
}

Result<ExitCode> run_replay(const ReplayOptions& options, Console& console) {
  SLUICE_ASSIGN(const std::vector<double> shares, parse_shares(options.capacity));
  SLUICE_ASSIGN(const Trace trace, read_showing(options, console));
  const bool has_decode = std::ranges::any_of(
      trace.routes, [](const TraceRoute& route) { return route.phase == TracePhase::kDecode; });
  if (!has_decode)
    return fail(ErrorCode::kUnsupported,
                "{}: no line of it is of the phase decode, and only those are counted: record more tokens",
                options.trace);
  SLUICE_ASSIGN(const std::vector<ReplayRow> rows, replay_showing(trace, options, shares, console));
  console.out.write_foreign(options.json ? replay_as_json(trace, rows) : describe_replay(trace, rows));
  return ExitCode::kOk;
}

std::string footer() {
  std::string text = "Policies:\n";
  for (const ReplayPolicy& policy : replay_policies())
    text += fmt::format("  {:<30}{}\n", policy.name, policy.description);
  return text +
         "\nExamples:\n"
         "  sluice run --trace story.csv -n 200 \"Once upon a time\" && sluice replay --trace story.csv\n"
         "  sluice replay --trace story.csv --capacity 10%,30% --policy lru,forecast,belady\n"
         "A capacity is a share of all experts of all layers, rounded down to whole slots of a layer. The "
         "prompt\n"
         "warms the cache; hits are counted on the tokens after it.";
}

}  // namespace

Command add_replay_command(CLI::App& app) {
  auto options = std::make_shared<ReplayOptions>();
  auto* command = app.add_subcommand("replay", "how well each cache policy would serve a recorded run");
  command->add_option("--trace", options->trace, "recorded routing, from sluice run --trace")
      ->type_name("FILE")
      ->required();
  command->add_option("--capacity", options->capacity, "room for experts; default: 8%,15%,25%,40%")
      ->type_name("SHARES");
  command->add_option("--policy", options->policy, "names joined by commas; default: all")
      ->type_name("NAMES");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(footer());
  return [options](Console& console) { return run_replay(*options, console); };
}

}  // namespace sluice
