// sluice bench memory: what reading memory brings.
#pragma once

#include "cli/commands.h"

namespace sluice {

// Declares `memory` on the parser of `bench`.
Command add_bench_memory_command(CLI::App& bench);

}  // namespace sluice
