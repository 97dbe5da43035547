#include "server/live_view.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "server/json_text.h"

namespace sluice {
namespace {

constexpr double kHalfLifeTokens = 1024;
constexpr int kMeanHeat = 3;
constexpr int kMostHeat = 7;

// 0 for an expert that was never asked for; otherwise 1 at least.
uint8_t heat_level(float heat, double layer_mean) {
  if (heat <= 0 || layer_mean <= 0) return 0;
  const double level = kMeanHeat + std::round(std::log2(heat / layer_mean));
  return static_cast<uint8_t>(std::clamp(level, 1.0, double{kMostHeat}));
}

}  // namespace

std::string LiveView::first_frame(const ExpertMap& map) {
  uses_ = map.uses;
  heat_.assign(map.uses.begin(), map.uses.end());
  last_ = frame(map, 0);
  return base64(last_);
}

std::vector<uint8_t> LiveView::frame(const ExpertMap& map, uint64_t tokens) {
  const auto kept = static_cast<float>(std::exp2(-static_cast<double>(tokens) / kHalfLifeTokens));
  const size_t width = map.experts_per_layer;
  std::vector<uint8_t> bytes(map.places.size());
  for (size_t layer = 0; layer < map.layers; ++layer) {
    const size_t begin = layer * width;
    for (size_t i = begin; i < begin + width; ++i) {
      const uint32_t uses = map.uses[i] - std::exchange(uses_[i], map.uses[i]);
      heat_[i] = heat_[i] * kept + static_cast<float>(uses);
      bytes[i] = static_cast<uint8_t>(static_cast<uint8_t>(map.places[i]) | (uses > 0 ? 4 : 0));
    }
    const auto row = heat_.begin() + static_cast<std::ptrdiff_t>(begin);
    const double mean =
        std::accumulate(row, row + static_cast<std::ptrdiff_t>(width), 0.0) / static_cast<double>(width);
    for (size_t i = begin; i < begin + width; ++i)
      bytes[i] = static_cast<uint8_t>(bytes[i] | heat_level(heat_[i], mean) << 3);
  }
  return bytes;
}

std::string LiveView::sample(const Now& now, const ExpertMap& map) {
  const uint64_t tokens = now.generated_tokens - std::exchange(generated_tokens_, now.generated_tokens);
  const TelemetrySample sample = meter_.take(EnginePhase::kDecode, tokens, now.counters);
  std::vector<uint8_t> bytes = frame(map, tokens);
  const std::vector<uint8_t> changes = changes_between(last_, bytes);
  Json json{{"interval_ns", sample.interval_ns},
            {"tokens", sample.tokens},
            {"running", now.running},
            {"waiting", now.waiting},
            {"hits", sample.spent.hits},
            {"misses", sample.spent.misses},
            {"read_bytes", sample.spent.read_bytes},
            {"read_busy_ns", sample.spent.read_busy_ns},
            {"wait_ns", sample.spent.wait_ns}};
  const bool is_short = changes.size() < bytes.size();
  json[is_short ? "changes" : "experts"] = base64(is_short ? changes : bytes);
  last_ = std::move(bytes);
  return json_text(json);
}

std::vector<uint8_t> changes_between(const std::vector<uint8_t>& before, const std::vector<uint8_t>& after) {
  std::vector<uint8_t> changes;
  size_t next = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    if (before[i] == after[i]) continue;
    size_t gap = i - std::exchange(next, i + 1);
    for (; gap >= 0x80; gap >>= 7) changes.push_back(static_cast<uint8_t>(gap | 0x80));
    changes.push_back(static_cast<uint8_t>(gap));
    changes.push_back(after[i]);
  }
  return changes;
}

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < left ? bytes[i + k] : 0U);
    for (size_t k = 0; k < 4; ++k) text += k <= left ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace sluice
