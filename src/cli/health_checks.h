// What sluice doctor makes of what it found: a verdict on each subject, and what would help. Looks at nothing
// but the facts that it is given.
#pragma once

#include <string>
#include <vector>

#include "cli/health_facts.h"

namespace sluice {

enum class Health {
  kOk,
  kUnknown,  // could not be told here
  kBetter,   // works, and could be better
  kBroken,   // the model cannot run
};
// "ok", "unknown", "better", "broken".
const char* health_name(Health health);

struct HealthCheck {
  std::string subject;  // "disk"
  Health health = Health::kOk;
  std::string found;   // what there is: half a line
  std::string advice;  // what to do about it, in whole sentences; never empty for kBetter and kBroken
  // How many times as fast a model would be with the advice followed: by the cost model (engine/cost_model.h)
  // where that can tell. Elsewhere an estimate, good for putting advice in order and nothing else.
  double gain = 1;
};

// In the order in which people read them: the checkpoint, the machine, the ways between them.
std::vector<HealthCheck> check_health(const HealthFacts& facts);

// No check says broken.
bool runs_here(const std::vector<HealthCheck>& checks);

// Those with advice, the most important first: what is broken, then by gain.
std::vector<HealthCheck> most_important_first(std::vector<HealthCheck> checks);

}  // namespace sluice
