#include "experts/make_policy.h"

#include <array>

#include "base/fail.h"
#include "experts/decayed_frequency_policy.h"
#include "experts/forecast_policy.h"
#include "experts/lru_policy.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 3> kNames = {"lru", "decayed-frequency", kDefaultPolicy};

}  // namespace

std::span<const std::string_view> policy_names() {
  return kNames;
}

Result<std::unique_ptr<EvictionPolicy>> make_policy(std::string_view name, uint32_t layers,
                                                    uint32_t experts_per_layer) {
  const uint32_t experts = layers * experts_per_layer;
  if (name == "lru") return std::make_unique<LruPolicy>(experts);
  if (name == "decayed-frequency") return std::make_unique<DecayedFrequencyPolicy>(experts);
  if (name == "forecast") return std::make_unique<ForecastPolicy>(layers, experts_per_layer);
  return fail(ErrorCode::kInvalidArgument, "there is no policy \"{}\"; there are {}", name,
              fmt::join(kNames, ", "));
}

}  // namespace sluice
