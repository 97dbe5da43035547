// The program `sluice`, from its arguments to its exit code.
#pragma once

#include "cli/console.h"
#include "cli/exit_code.h"

namespace sluice {

// Parses the arguments, runs the subcommand and shows its error, if there is one.
ExitCode run_program(int argument_count, const char* const* arguments, Console& console);

}  // namespace sluice
