// What the engine does right now, for eyes: figures, and a map of all experts, a few times a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/telemetry.h"
#include "experts/expert_map.h"

namespace sluice {

inline constexpr std::chrono::milliseconds kLiveInterval{250};

// One viewer's. What it says is JSON. An expert is a byte: its ExpertPlace in bits 0 and 1; bit 2 when a
// token was routed to it since the frame before; bits 3 to 5 its heat, from 0 to 7. Heat is how often it was
// asked for against the mean of its layer, half of that forgotten in about 1024 tokens: 3 is the mean, one
// less half of it, one more twice it. Not thread safe.
class LiveView {
 public:
  struct Now {
    StreamCounters counters{};
    uint64_t generated_tokens = 0;  // so far
    size_t running = 0;             // requests
    size_t waiting = 0;
  };

  explicit LiveView(const Now& now) : meter_(now.counters), generated_tokens_(now.generated_tokens) {}

  // All bytes, in base64.
  std::string first_frame(const ExpertMap& map);
  // The object of one sample: figures since the last one, and "changes" or, where that is shorter, "experts".
  // REQUIRES first_frame() before; the map's geometry stays as it was.
  std::string sample(const Now& now, const ExpertMap& map);

 private:
  std::vector<uint8_t> frame(const ExpertMap& map, uint64_t tokens);

  TelemetryMeter meter_;
  uint64_t generated_tokens_;
  std::vector<uint32_t> uses_;  // [experts], in the last frame
  std::vector<float> heat_;     // [experts], uses, decayed
  std::vector<uint8_t> last_;   // [experts], the last frame
};

// For every byte of `after` that is another one than in `before`, of the same size: how many were left out
// since the one before it (LEB128), and the byte.
std::vector<uint8_t> changes_between(const std::vector<uint8_t>& before, const std::vector<uint8_t>& after);

// RFC 4648, section 4, with padding.
std::string base64(const std::vector<uint8_t>& bytes);

}  // namespace sluice
