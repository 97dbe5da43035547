// The subcommands. Each declares its options on the program's parser and yields what runs it.
#pragma once

#include <functional>

#include "cli/console.h"
#include "cli/exit_code.h"

namespace sluice {

// Runs a subcommand with the options that were parsed. Results go to console.out; an Error is for the caller
// to show.
using Command = std::function<Result<ExitCode>(Console&)>;

Command add_run_command(CLI::App& app);
Command add_chat_command(CLI::App& app);
Command add_serve_command(CLI::App& app);
Command add_inspect_command(CLI::App& app);
Command add_tokenize_command(CLI::App& app);
Command add_prompt_command(CLI::App& app);
Command add_verify_command(CLI::App& app);
Command add_perplexity_command(CLI::App& app);
Command add_synth_command(CLI::App& app);
Command add_checksum_command(CLI::App& app);
Command add_plan_command(CLI::App& app);
Command add_doctor_command(CLI::App& app);
Command add_bench_command(CLI::App& app);
Command add_replay_command(CLI::App& app);

}  // namespace sluice
