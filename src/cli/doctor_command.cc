// sluice doctor: does a model run here, and what would make it faster.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/health_report.h"
#include "cli/interrupts.h"
#include "cli/model_options.h"
#include "cli/progress_line.h"

namespace sluice {
namespace {

struct DoctorOptions {
  ModelOptions model;
  bool no_measure = false;
  bool json = false;
};

Result<HealthFacts> find_facts(const DoctorOptions& options, Console& console) {
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  // Without a model, the machine is looked at alone.
  const auto folder = find_model(places_of_this_process(options.model.folder)).value_or("");
  if (options.no_measure) return find_health_facts(folder, std::nullopt);
  ProgressLine line(console.err);
  ProbeOptions probe;
  probe.cancel = watch.token();
  if (!console.quiet) {  // a slow disk has its reads in flight long after no more are begun
    probe.on_progress = [&line, total = probe.limit](std::chrono::nanoseconds elapsed) {
      line.update_seconds("measuring the disk", static_cast<uint64_t>(std::min(elapsed, total).count()),
                          static_cast<uint64_t>(total.count()));
    };
  }
  return find_health_facts(folder, probe);
}

Result<ExitCode> examine(const DoctorOptions& options, Console& console) {
  // What opening files warns of is what this command reports, once and in its place.
  if (!console.verbose) set_log_level(LogLevel::kError);
  SLUICE_ASSIGN(const HealthFacts facts, find_facts(options, console));
  const std::vector<HealthCheck> checks = check_health(facts);
  console.out.write(options.json ? health_as_json(facts, checks)
                                 : describe_health(facts, checks, console.out));
  return runs_here(checks) ? ExitCode::kOk : ExitCode::kNo;
}

}  // namespace

Command add_doctor_command(CLI::App& app) {
  auto options = std::make_shared<DoctorOptions>();
  auto* command = app.add_subcommand("doctor", "does a model run here, and what would make it faster");
  add_model_option(*command, options->model);
  command->add_flag("--no-measure", options->no_measure, "leave disk and arithmetic unmeasured");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice doctor\n"
      "  sluice doctor -m /data/DeepSeek-V4-Flash\n"
      "  sluice doctor --no-measure --json\n"
      "Looks at the checkpoint's headers, the processor, memory, disk and limits; changes nothing. ok: as "
      "good as it gets;\n"
      "better: works, and could work better; broken: the model cannot run; unknown: the system does not "
      "say. The exit code\n"
      "is 1 when something is broken, else 0. sluice plan says more about memory and speed, sluice bench "
      "io about the disk.");
  return [options](Console& console) { return examine(*options, console); };
}

}  // namespace sluice
