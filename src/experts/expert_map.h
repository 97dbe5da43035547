// All experts at one moment, for people to look at.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice {

// Where the bytes of an expert are.
enum class ExpertPlace : uint8_t {
  kDevice,   // nowhere else
  kReading,  // on their way
  kMemory,   // there
  kUnknown,  // in memory or not, as the kernel likes
};

// Experts in the catalog's order.
struct ExpertMap {
  uint32_t layers = 0;
  uint32_t experts_per_layer = 0;
  std::vector<ExpertPlace> places;  // [layers, experts_per_layer]
  std::vector<uint32_t> uses;       // likewise: routes to it that the store was told of, modulo 2^32
};

}  // namespace sluice
