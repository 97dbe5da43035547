// sluice bench decode, sluice bench prefill: how fast a checkpoint runs here, and what binds it.
#pragma once

#include "cli/commands.h"

namespace sluice {

// Declare `decode` and `prefill` on the parser of `bench`.
Command add_bench_decode_command(CLI::App& bench);
Command add_bench_prefill_command(CLI::App& bench);

}  // namespace sluice
