// sluice bench io: what random reads of expert size bring.
#pragma once

#include "cli/commands.h"

namespace sluice {

// Declares `io` on the parser of `bench`.
Command add_bench_io_command(CLI::App& bench);

}  // namespace sluice
