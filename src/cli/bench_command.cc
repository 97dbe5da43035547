// sluice bench: what this machine gives, by what is measured.
#include <CLI/CLI.hpp>

#include "base/fail.h"
#include "cli/bench_io_command.h"
#include "cli/bench_memory_command.h"
#include "cli/bench_speed_command.h"
#include "cli/commands.h"

namespace sluice {

Command add_bench_command(CLI::App& app) {
  auto* bench = app.add_subcommand("bench", "measure what this machine gives");
  bench->require_subcommand(1);
  std::vector<std::pair<const CLI::App*, Command>> commands;
  for (const auto add : {add_bench_io_command, add_bench_memory_command, add_bench_decode_command,
                         add_bench_prefill_command}) {
    Command command = add(*bench);
    CLI::App* parser = bench->get_subcommands([](CLI::App*) { return true; }).back();
    parser->fallthrough();  // to the options that every command has
    commands.emplace_back(parser, std::move(command));
  }
  return [commands](Console& console) -> Result<ExitCode> {
    for (const auto& [parser, command] : commands) {
      if (parser->parsed()) return command(console);
    }
    return fail(ErrorCode::kInternal, "bench without something to measure");
  };
}

}  // namespace sluice
