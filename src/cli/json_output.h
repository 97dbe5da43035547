// What the engine measured and planned, as JSON: one spelling for every subcommand.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sluice/engine.h"

namespace sluice {

// Field names are those of the structs, so that they say their units.
nlohmann::ordered_json to_json(const StreamCounters& counters);
nlohmann::ordered_json to_json(const GenerationStats& stats);
nlohmann::ordered_json to_json(const MemoryPlan& plan);
nlohmann::ordered_json to_json(const SamplingOptions& sampling);

// On one line, with its line break. Bytes that are not UTF-8 become U+FFFD.
std::string json_line(const nlohmann::ordered_json& json);

}  // namespace sluice
