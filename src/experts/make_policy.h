// Policies by name: what an option or a settings file chooses from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "experts/eviction_policy.h"
#include "sluice/result.h"

namespace sluice {

inline constexpr std::string_view kDefaultPolicy = "forecast";

// "lru", "decayed-frequency", "forecast".
std::span<const std::string_view> policy_names();

// A policy for one pool of slots, which has seen nothing yet. layers >= 1, 1 <= experts_per_layer <= 65536.
// kInvalidArgument, with the names there are, for another name.
Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name, uint32_t layers,
                                                    uint32_t experts_per_layer);

}  // namespace sluice
