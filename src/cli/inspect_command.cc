// sluice inspect: what a checkpoint is, and what of it fits here.
#include <CLI/CLI.hpp>

#include "base/machine.h"
#include "cli/commands.h"
#include "cli/find_model.h"
#include "cli/inspection.h"
#include "cli/model_options.h"

namespace sluice {
namespace {

struct InspectOptions {
  ModelOptions model;
  bool json = false;
};

Result<ExitCode> inspect(const InspectOptions& options, Console& console) {
  SLUICE_ASSIGN(const auto folder, find_model(places_of_this_process(options.model.folder)));
  SLUICE_ASSIGN(const Inspection found,
                inspect_checkpoint(folder, options.model.context_tokens, available_memory_bytes()));
  console.out.write_foreign(options.json ? describe_as_json(found) : describe(found));
  return ExitCode::kOk;
}

}  // namespace

Command add_inspect_command(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  auto* command = app.add_subcommand("inspect", "what a checkpoint is, and what of it fits in this machine");
  add_model_option(*command, options->model);
  command
      ->add_option("--context", options->model.context_tokens,
                   "plan for a context of N tokens; default: 32768")
      ->type_name("N")
      ->group("Model");
  command->add_flag("--json", options->json, "one JSON object");
  command->footer(
      "Examples:\n"
      "  sluice inspect\n"
      "  sluice inspect -m /data/DeepSeek-V4-Flash --context 100000\n"
      "Only headers are read: this is quick however large the checkpoint is.");
  return [options](Console& console) { return inspect(*options, console); };
}

}  // namespace sluice
