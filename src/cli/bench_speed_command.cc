#include "cli/bench_speed_command.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "cli/inspection.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "cli/speed_report.h"
#include "engine/loaded_model.h"

namespace sluice {
namespace {

constexpr uint64_t kDecodePromptTokens = 16;
constexpr uint64_t kDecodeTokens = 64;
constexpr uint64_t kPrefillTokens = 2048;

struct BenchSpeedOptions {
  ModelOptions model;
  bool decodes = true;
  uint64_t held_tokens = 0;
  std::optional<uint64_t> prompt_tokens;
  std::optional<uint64_t> new_tokens;
  std::string route_trace;
  uint64_t seed = 1;
  bool gathers_experts = false;
  bool json = false;
};

class SpeedBench {
 public:
  SpeedBench(const BenchSpeedOptions& options, Console& console) : options_(options), console_(console) {}

  Result<ExitCode> execute() {
    SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
    const InterruptWatch watch(interrupts);
    SLUICE_ASSIGN(engine_, open(watch.token()));
    SLUICE_TRY(read_routes());
    SLUICE_ASSIGN(const MachineRates before, rates(watch.token()));
    SLUICE_ASSIGN(const SpeedRun run, measure(watch.token()));
    SLUICE_ASSIGN(const MachineRates after, rates(watch.token()));
    const MachineRates mean{(before.disk + after.disk) / 2, (before.kernels + after.kernels) / 2,
                            (before.memory + after.memory) / 2};
    SLUICE_TRY(report(run, mean));
    SLUICE_TRY(console_.out.status());
    return ExitCode::kOk;
  }

 private:
  // What earlier runs learnt stays out of it: the same options measure the same thing.
  Result<std::unique_ptr<Engine>> open(const std::stop_token& cancel) {
    ModelOptions model = options_.model;
    model.no_heat = true;
    return open_engine(model, console_, cancel);
  }

  Status read_routes() {
    if (options_.route_trace.empty()) return {};
    SLUICE_ASSIGN(const Trace trace, read_trace(options_.route_trace));
    SLUICE_ASSIGN(routes_, TraceRoutes::create(trace, engine_->loaded().checkpoint.config()));
    return {};
  }

  Result<MachineRates> rates(const std::stop_token& cancel) {
    const LoadedModel& loaded = engine_->loaded();
    SLUICE_ASSIGN(const EngineOptions options, engine_options(options_.model));
    return measure_rates(loaded.checkpoint, loaded.expert_storage.catalog(), options.reader,
                         engine_->threads(), {.cancel = cancel}, loaded.dense_bytes.bytes());
  }

  Result<SpeedRun> measure(const std::stop_token& cancel) {
    SpeedRunOptions run;
    run.seed = options_.seed;
    run.held_tokens = options_.held_tokens;
    run.sequences = options_.model.parallel;
    run.gathers_experts = options_.gathers_experts;
    run.cancel = cancel;
    run.prompt_tokens =
        options_.prompt_tokens.value_or(options_.decodes ? kDecodePromptTokens : kPrefillTokens);
    if (options_.decodes) run.new_tokens = options_.new_tokens.value_or(kDecodeTokens);
    if (routes_) {
      run.routes = &*routes_;
      // As the trace has them, unless something else was asked for.
      if (!options_.prompt_tokens && options_.decodes)
        run.prompt_tokens = std::max<uint64_t>(1, routes_->prompt_tokens());
      if (!options_.new_tokens && options_.decodes && routes_->tokens() > run.prompt_tokens)
        run.new_tokens = routes_->tokens() - run.prompt_tokens;
    }
    ProgressLine line(console_.err);
    if (!console_.quiet) {
      run.on_progress = [&](uint64_t done, uint64_t total) { line.update_tokens("measuring", done, total); };
    }
    return run_for_speed(*engine_, run);
  }

  Status report(const SpeedRun& run, const MachineRates& rates) {
    const SpeedFigures& figures = options_.decodes ? run.decode : run.prefill;
    const MemoryPlan& plan = engine_->memory_plan();
    SLUICE_ASSIGN(const Inspection found, inspect_checkpoint(engine_->loaded().checkpoint.folder(),
                                                             engine_->loaded().sizes.context_tokens, 0));
    const TokenWork work = touched(figures.sample, found);
    const SpeedBound bound = decode_bound(figures.sample, work, rates);
    if (options_.json) {
      nlohmann::ordered_json json = to_json(figures);
      json["sequences"] = options_.model.parallel;
      json["slots"] = plan.slots;
      json["experts"] = plan.experts;
      json["disk_bytes_per_second"] = rates.disk;
      json["kernel_bytes_per_second"] = rates.kernels;
      json["memory_bytes_per_second"] = rates.memory;
      if (options_.decodes) json["bound"] = to_json(bound, figures.sample);
      console_.out.write(json_line(json));
      return {};
    }
    console_.out.write(fmt::format(
        "{} {} tokens{}, {} of {} experts in slots ({}), {} thread{}\n",
        options_.decodes ? "Decoding" : "Taking in", figures.sample.tokens,
        options_.model.parallel == 1 ? "" : fmt::format(" of {} sequences", options_.model.parallel),
        plan.slots, plan.experts, stream_mode_name(engine_->stream_mode()), engine_->threads(),
        engine_->threads() == 1 ? "" : "s"));
    console_.out.write(describe(figures));
    if (options_.decodes) console_.out.write(describe(bound, figures.sample, work, rates));
    return {};
  }

  // Of a pass, each sequence's token has its share: dense weights and the union of experts are gone through
  // once.
  TokenWork touched(const TelemetrySample& sample, const Inspection& found) const {
    const uint64_t sequences = options_.model.parallel;
    if (sequences == 1) return {found.routed_bytes_per_token, found.dense_bytes_per_token};
    const uint64_t experts_asked = sample.spent.hits + sample.spent.misses;
    const uint64_t expert_bytes = engine_->loaded().expert_storage.catalog().expert_bytes(0);
    return {experts_asked * expert_bytes / std::max<uint64_t>(1, sample.tokens),
            found.dense_bytes_per_token / sequences};
  }

  const BenchSpeedOptions& options_;
  Console& console_;
  std::unique_ptr<Engine> engine_;
  std::optional<TraceRoutes> routes_;
};

CLI::App* add_command(CLI::App& bench, const char* name, const char* what, BenchSpeedOptions& options) {
  auto* command = bench.add_subcommand(name, what);
  command
      ->add_option("--prompt", options.prompt_tokens,
                   options.decodes ? "tokens that are taken in first; default: 16"
                                   : "tokens that are taken in; default: 2048")
      ->check(CLI::PositiveNumber.description(""))
      ->type_name("N");
  if (options.decodes) {
    command->add_option("--sequences", options.model.parallel, "that are decoded together; default: 1")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N");
    command
        ->add_option("-n,--tokens", options.new_tokens,
                     "tokens to decode of each, the first half of them uncounted; default: 64")
        ->check(CLI::Range(4, 1 << 24).description(""))
        ->type_name("N");
    command->add_flag("--no-overlap", options.gathers_experts,
                      "compute a layer's experts when all are there, not as they arrive");
  }
  command
      ->add_option("--route-trace", options.route_trace,
                   "route as this trace does (sluice run --trace), instead of by the model's routers")
      ->type_name("FILE");
  command
      ->add_option("--held", options.held_tokens,
                   "tokens that the context holds before: random rows; default: 0")
      ->type_name("N");
  command->add_option("--seed", options.seed, "of the random tokens; default: 1")->type_name("N");
  command->add_flag("--json", options.json, "one JSON object");
  add_model_option(*command, options.model);
  add_streaming_options(*command, options.model);
  add_numerics_option(*command, options.model);
  add_sequence_options(*command, options.model);
  return command;
}

}  // namespace

Command add_bench_decode_command(CLI::App& bench) {
  auto options = std::make_shared<BenchSpeedOptions>();
  auto* command = add_command(bench, "decode", "tokens a second, one by one; what binds them", *options);
  command->footer(
      "Examples:\n"
      "  sluice bench decode -m DIR --cache 15%\n"
      "  sluice bench decode -m DIR --cache 15% --route-trace tests/data/traces/qwen3-30b-a3b.csv\n"
      "  sluice bench decode -m DIR --held 131000 --context 131072\n"
      "  sluice bench decode -m DIR --cache 15% --sequences 8\n"
      "Disk and memory are measured before and after, and the cost model says what they allow at most. What\n"
      "earlier runs learnt (heat) is left out. Random tokens: the text would be nonsense.");
  return [options](Console& console) { return SpeedBench(*options, console).execute(); };
}

Command add_bench_prefill_command(CLI::App& bench) {
  auto options = std::make_shared<BenchSpeedOptions>();
  options->decodes = false;
  auto* command = add_command(bench, "prefill", "tokens a second of a prompt", *options);
  command->footer("Example:\n  sluice bench prefill -m DIR --prompt 4096 --chunk 1024");
  return [options](Console& console) { return SpeedBench(*options, console).execute(); };
}

}  // namespace sluice
