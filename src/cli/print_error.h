// How the program says that something went wrong.
#pragma once

#include "cli/output.h"

namespace sluice {

// "sluice: error: <message>", red on a terminal; for kCancelled "sluice: interrupted".
void print_error(Output& output, const Error& error);

}  // namespace sluice
