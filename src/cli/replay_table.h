// The answer of `sluice replay`, for people and for programs.
#pragma once

#include <span>
#include <string>

#include "experts/replay.h"

namespace sluice {

// What was recorded, and two tables of a line per policy and a column per capacity: hit rates, and what was
// read per token. REQUIRES rows as replay_all() yields them, at least one.
std::string describe_replay(const Trace& trace, std::span<const ReplayRow> rows);

// One JSON object on one line.
std::string replay_as_json(const Trace& trace, std::span<const ReplayRow> rows);

}  // namespace sluice
