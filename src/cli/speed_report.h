// What `sluice bench decode` and `bench prefill` found, for people and for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/cost_model.h"
#include "engine/speed_run.h"

namespace sluice {

// What a measured stretch could at most have come to, by the cost model.
struct SpeedBound {
  double disk_tokens_per_second = 0;    // the disk's rate over the bytes read per token; 0: nothing was read
  double memory_tokens_per_second = 0;  // memory's rate over the bytes that a token's arithmetic touches

  // The one that binds.
  double tokens_per_second() const;
  const char* name() const;  // "disk", "memory"
};

// Of decoding, token by token.
SpeedBound decode_bound(const TelemetrySample& sample, const TokenWork& work, const MachineRates& rates);

// Several lines: speed, experts, where the time went.
std::string describe(const SpeedFigures& figures);
// A line each: the bounds and how much of the one that binds was reached.
std::string describe(const SpeedBound& bound, const TelemetrySample& sample, const TokenWork& work,
                     const MachineRates& rates);

nlohmann::ordered_json to_json(const SpeedFigures& figures);
nlohmann::ordered_json to_json(const SpeedBound& bound, const TelemetrySample& sample);

}  // namespace sluice
