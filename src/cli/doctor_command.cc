// sluice doctor: does a model run here, and what would make it faster.
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/health_report.h"
#include "cli/interrupts.h"
#include "cli/model_options.h"

namespace sluice {
namespace {

struct DoctorOptions {
  ModelOptions model;
  bool measure = true;
  bool json = false;
};

Result<HealthFacts> find_facts(const DoctorOptions& options) {
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const InterruptWatch watch(interrupts);
  return find_health_facts(find_model(places_of_this_process(options.model.folder)), options.measure,
                           watch.token());
}

Result<ExitCode> examine(const DoctorOptions& options, Console& console) {
  // What opening files warns of is what this command reports, once and in its place.
  if (!console.verbose) set_log_level(LogLevel::kError);
  SLUICE_ASSIGN(const HealthFacts facts, find_facts(options));
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
  command->add_flag("!--no-measure", options->measure, "leave disk and arithmetic unmeasured");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice doctor\n"
      "  sluice doctor -m /data/DeepSeek-V4-Flash\n"
      "Looks at the checkpoint's headers, processor, memory, disk and limits; changes nothing. Exit code 0 "
      "when "
      "the\n"
      "model runs here, even if it could run better; 1 when it does not.");
  return [options](Console& console) { return examine(*options, console); };
}

}  // namespace sluice
