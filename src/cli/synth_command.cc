// sluice synth: a checkpoint of random weights in the released layout.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/machine.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/progress_line.h"
#include "engine/synth.h"

namespace sluice {
namespace {

// Beside the cores: a thread that writes waits for the disk most of the time.
constexpr size_t kWritingThreads = 4;

struct SynthCommandOptions {
  std::string folder;
  SynthOptions synth;
  std::string shard_size;
  bool json = false;
};

void report(const SynthCommandOptions& options, const SynthPlan& plan, std::chrono::nanoseconds elapsed,
            Console& console) {
  const ModelConfig& config = plan.config();
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (options.json) {
    console.out.write(json_line({{"folder", options.folder},
                                 {"layers", config.num_hidden_layers},
                                 {"hash_layers", config.num_hash_layers},
                                 {"experts_per_layer", config.n_routed_experts},
                                 {"shards", plan.shards().size()},
                                 {"bytes", plan.total_bytes()},
                                 {"elapsed_ns", elapsed.count()}}));
    return;
  }
  console.out.write_foreign(
      fmt::format("{}: {} layers of {} experts, {} in {} shards, written in {:.1f} s ({}/s)\n",
                  options.folder, config.num_hidden_layers, config.n_routed_experts,
                  format_bytes(plan.total_bytes()), plan.shards().size(), seconds,
                  format_bytes(static_cast<uint64_t>(static_cast<double>(plan.total_bytes()) / seconds))));
}

Result<ExitCode> run_synth(const SynthCommandOptions& given, Console& console) {
  SynthCommandOptions options = given;
  if (!options.shard_size.empty()) {
    auto bytes = parse_bytes(options.shard_size);
    if (!bytes) return tl::unexpected(std::move(bytes).error().in("--shard"));
    options.synth.shard_bytes = *bytes;
  }
  SLUICE_ASSIGN(const SynthPlan plan, SynthPlan::make(options.synth));
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  ProgressLine line(console.err);
  std::function<void(uint64_t, uint64_t)> on_progress;
  if (!console.quiet) {
    on_progress = [&](uint64_t done, uint64_t total) { line.update_bytes("writing", done, total); };
  }
  const auto start = std::chrono::steady_clock::now();
  SLUICE_TRY(plan.write(options.folder, usable_cores() + kWritingThreads, on_progress, watch.token()));
  line.clear();
  report(options, plan, std::chrono::steady_clock::now() - start, console);
  return ExitCode::kOk;
}

void add_sizes(CLI::App& command, SynthOptions& synth) {
  command
      .add_option("--width", synth.width,
                  fmt::format("whose widths: {}; default: flash", fmt::join(synth_widths(), ", ")))
      ->check(CLI::IsMember(synth_widths()).description(""))
      ->type_name("NAME");
  command.add_option("--layers", synth.layers, "how many layers; default: 4")->type_name("N");
  command.add_option("--mtp-layers", synth.mtp_layers, "1: with a multi-token layer; default: 0")
      ->type_name("N");
  command
      .add_option("--hash-layers", synth.hash_layers,
                  "leading layers that route by token id; default: a quarter, 1 to 3")
      ->type_name("N");
  command.add_option("--vocab", synth.vocab, "token ids; default: 8192 (released: 129280)")->type_name("N");
}

}  // namespace

Command add_synth_command(CLI::App& app) {
  auto options = std::make_shared<SynthCommandOptions>();
  auto* command = app.add_subcommand("synth", "write a checkpoint of random weights, to measure with");
  command->add_option("folder", options->folder, "where; empty or not there yet")
      ->type_name("DIR")
      ->required();
  add_sizes(*command, options->synth);
  command->add_option("--seed", options->synth.seed, "another seed, other weights; default: 1")
      ->type_name("N");
  command
      ->add_option("--skew", options->synth.skew,
                   "how uneven the experts' popularity is: 1/rank^X; 0: not at all; default: 1.5")
      ->type_name("X");
  command->add_option("--shard", options->shard_size, "tensors in a file, at most; default: 4GB")
      ->type_name("SIZE");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice synth /data/flash-4 --layers 4\n"
      "  sluice synth /tmp/small --width small --seed 7\n"
      "  sluice run -m /data/flash-4 --seed 1 -n 64 \"Once upon a time\"\n"
      "The layout is that of the released checkpoints, widths and formats included; a layer of flash takes "
      "3.6 GB.\n"
      "The same options write the same bytes. Such a model speaks nonsense, at the speed of a real one.");
  return [options](Console& console) { return run_synth(*options, console); };
}

}  // namespace sluice
