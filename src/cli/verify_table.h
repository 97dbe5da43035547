// The table that `sluice verify` prints, a line at a time.
#pragma once

#include <string>

#include "cli/output.h"
#include "engine/verify.h"

namespace sluice {

// Each with its line break. `output` decides about colours.
std::string verify_heading();
std::string verify_line(const VerifyRow& row, const Output& output);
std::string verify_verdict(const VerifyReport& report, const Output& output);

}  // namespace sluice
