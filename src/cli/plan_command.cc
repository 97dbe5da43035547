// sluice plan: what would fit in this machine, and how fast it would be, before anything is loaded.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/machine.h"
#include "base/units.h"
#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "cli/inspection.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/model_options.h"
#include "engine/cost_model.h"
#include "engine/memory_plan.h"
#include "model/bind_weights.h"

namespace sluice {
namespace {

struct PlanOptions {
  ModelOptions model;
  std::string memory;  // --memory; empty: what the machine has
  bool measure = true;
  bool json = false;
};

struct Planned {
  MachineMemory machine;
  EngineSizes sizes;
  MemoryPlan memory;
  StreamMode mode = StreamMode::kDirect;
  TokenWork work;
  std::optional<MachineRates> rates;  // unless they were not to be measured

  double share() const {
    if (mode == StreamMode::kMmap) return room_for_page_cache();
    return static_cast<double>(memory.slots) / static_cast<double>(memory.experts);
  }
  // What the kernel can keep of the experts in mapped files.
  double room_for_page_cache() const {
    const uint64_t left = machine.available_bytes - std::min(machine.available_bytes, memory.total_bytes());
    return std::min(1.0, static_cast<double>(left) / static_cast<double>(memory.experts * memory.slot_bytes));
  }
};

Result<MachineRates> measure(const Checkpoint& checkpoint, const ExpertCatalog& catalog, ReaderKind reader,
                             size_t threads) {
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  return measure_rates(checkpoint, catalog, reader, threads, {.cancel = watch.token()});
}

Result<Planned> make_plan(const PlanOptions& options) {
  SLUICE_ASSIGN(EngineOptions engine, engine_options(options.model));
  engine.keep_prompts = engine.sessions > 1;  // as serve does
  Planned planned;
  planned.machine = machine_memory();
  if (!options.memory.empty()) {
    auto bytes = parse_bytes(options.memory);
    if (!bytes) return tl::unexpected(std::move(bytes).error().in("--memory"));
    planned.machine.available_bytes = *bytes;
  }
  planned.mode = engine.stream;
  SLUICE_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(engine.model_folder));
  SLUICE_ASSIGN(const ExpertStorage storage, ExpertStorage::locate(checkpoint));
  WeightBinder binder(checkpoint, nullptr);
  SLUICE_TRY(bind_weights(checkpoint.config(), binder).map([](const ModelWeights&) {}));
  SLUICE_ASSIGN(SettledPlan settled, settle_plan(engine, checkpoint.config(), storage.catalog(),
                                                 binder.arena_bytes(), planned.machine.available_bytes));
  planned.sizes = settled.sizes;
  planned.memory = settled.memory;
  SLUICE_ASSIGN(const Inspection found,
                inspect_checkpoint(engine.model_folder, planned.sizes.context_tokens, 0));
  planned.work = {found.routed_bytes_per_token, found.dense_bytes_per_token};
  if (options.measure) {
    SLUICE_ASSIGN(planned.rates,
                  measure(checkpoint, storage.catalog(), engine.reader, planned.sizes.threads));
  }
  return planned;
}

std::string rate_text(double bytes_per_second) {
  return format_bytes(static_cast<uint64_t>(bytes_per_second)) + "/s";
}

std::string describe(const Planned& planned) {
  const MachineMemory& machine = planned.machine;
  std::string text = fmt::format("Machine\n  memory         {}, {} available\n",
                                 format_bytes(machine.total_bytes), format_bytes(machine.available_bytes));
  if (machine.group_limit_bytes != 0) {
    text += fmt::format("  control group  at most {}\n", format_bytes(machine.group_limit_bytes));
  }
  if (planned.rates) {
    text += fmt::format("  disk           {}, random reads of an expert's size\n",
                        rate_text(planned.rates->disk));
    text += fmt::format("  arithmetic     {} of weights; memory brings {}\n",
                        rate_text(planned.rates->kernels), rate_text(planned.rates->memory));
  }
  text += fmt::format("\nMemory, for {} tokens of context\n", planned.sizes.context_tokens);
  text += describe_plan(planned.memory, planned.mode);
  const TokenCost cost = expected_cost(planned.work, planned.rates.value_or(MachineRates{}), planned.share());
  text +=
      fmt::format("\nTo be expected of a token\n  hits           {:.0f} %, as real models' routing has it\n",
                  100 * cost.hit_rate);
  text += fmt::format("  read           {} of {}\n", format_bytes(cost.read_bytes),
                      format_bytes(planned.work.routed_bytes));
  if (!planned.rates) return text;
  return text + fmt::format(
                    "  time           {:.3g} ms reading, {:.3g} ms computing: {:.3g} to {:.3g} tokens/s, the "
                    "more of them overlap\n",
                    static_cast<double>(cost.read_ns) / 1e6, static_cast<double>(cost.compute_ns) / 1e6,
                    cost.least_tokens_per_second, cost.most_tokens_per_second);
}

std::string describe_as_json(const Planned& planned) {
  using nlohmann::ordered_json;
  const TokenCost cost = expected_cost(planned.work, planned.rates.value_or(MachineRates{}), planned.share());
  ordered_json json{{"machine",
                     {{"memory_bytes", planned.machine.total_bytes},
                      {"available_bytes", planned.machine.available_bytes},
                      {"group_limit_bytes", planned.machine.group_limit_bytes}}},
                    {"stream", stream_mode_name(planned.mode)},
                    {"context_tokens", planned.sizes.context_tokens},
                    {"memory_plan", to_json(planned.memory)},
                    {"routed_bytes_per_token", planned.work.routed_bytes},
                    {"dense_bytes_per_token", planned.work.dense_bytes},
                    {"expected_hit_rate", cost.hit_rate},
                    {"expected_read_bytes_per_token", cost.read_bytes}};
  if (planned.rates) {
    json["disk_bytes_per_second"] = planned.rates->disk;
    json["kernel_bytes_per_second"] = planned.rates->kernels;
    json["memory_bytes_per_second"] = planned.rates->memory;
    json["expected_read_ns"] = cost.read_ns;
    json["expected_compute_ns"] = cost.compute_ns;
    json["least_tokens_per_second"] = cost.least_tokens_per_second;
    json["most_tokens_per_second"] = cost.most_tokens_per_second;
  }
  return json_line(json);
}

Result<ExitCode> run_plan(const PlanOptions& options, Console& console) {
  SLUICE_ASSIGN(const Planned planned, make_plan(options));
  console.out.write(options.json ? describe_as_json(planned) : describe(planned));
  return ExitCode::kOk;
}

}  // namespace

Command add_plan_command(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  auto* command = app.add_subcommand("plan", "where memory would go here, and how fast it would be");
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_sequence_options(*command, options->model);
  add_numerics_option(*command, options->model);
  add_request_options(*command, options->model);
  command->add_option("--memory", options->memory, "plan for SIZE instead of what this machine has left")
      ->type_name("SIZE");
  command->add_flag("!--no-measure", options->measure,
                    "leave disk and arithmetic unmeasured: no expected speed");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice plan -m /data/DeepSeek-V4-Flash\n"
      "  sluice plan -m /data/DeepSeek-V4-Flash --memory 32GB --context 100000\n"
      "The plan is the one that sluice run with the same options makes and keeps. Exit code 5, with the "
      "least that\n"
      "would work, when it does not fit.");
  return [options](Console& console) { return run_plan(*options, console); };
}

}  // namespace sluice
