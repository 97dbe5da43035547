// To see what computing in order of arrival is worth: an engine without it.
#pragma once

#include "experts/expert_store.h"

namespace sluice {

// Hands out what `request` does, but nothing before all of it is there. Every lease is held until then, so
// REQUIRES that the store has slots for all that was asked for (ExpertStore::capacity_slots()).
ExpertRequest gathered(ExpertRequest request);

}  // namespace sluice
