// Memory and disk: what the cost model (engine/cost_model.h) expects of them for a model.
#pragma once

#include "cli/health_checks.h"

namespace sluice {

// How much memory there is, and how many of the experts it holds.
HealthCheck check_memory(const HealthFacts& facts);
// What the checkpoint's disk is, and whether a token waits for it.
HealthCheck check_disk(const HealthFacts& facts);

}  // namespace sluice
