// How sluice doctor shows what it found.
#pragma once

#include <string>

#include "cli/health_checks.h"
#include "cli/output.h"

namespace sluice {

// For people: a line for each check, then what to do. `output` decides about colours.
std::string describe_health(const HealthFacts& facts, const std::vector<HealthCheck>& checks,
                            const Output& output);
// One line of JSON.
std::string health_as_json(const HealthFacts& facts, const std::vector<HealthCheck>& checks);

}  // namespace sluice
