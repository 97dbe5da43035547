#include "cli/speed_report.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace sluice {
namespace {

struct PartName {
  const char* name;
  const char* key;
};
// By PassPart.
constexpr std::array<PartName, kPassParts> kPartNames = {{{"attention", "attention_ns"},
                                                          {"routing", "routing_ns"},
                                                          {"shared expert", "shared_expert_ns"},
                                                          {"waiting", "waiting_ns"},
                                                          {"routed experts", "experts_ns"},
                                                          {"mixing", "mixing_ns"}}};
constexpr PartName kRest = {"the rest", "rest_ns"};

double per_token(uint64_t ns, const TelemetrySample& sample) {
  return static_cast<double>(ns) / static_cast<double>(std::max<uint64_t>(1, sample.tokens));
}

std::string part_line(const char* name, uint64_t ns, const TelemetrySample& sample) {
  return fmt::format(
      "  {:<15}{:>9.3f} ms {:>5.1f} %\n", name, per_token(ns, sample) / 1e6,
      100 * static_cast<double>(ns) / static_cast<double>(std::max<uint64_t>(1, sample.interval_ns)));
}

std::string bytes_text(double bytes) {
  return format_bytes(static_cast<uint64_t>(bytes));
}

}  // namespace

double SpeedBound::tokens_per_second() const {
  if (disk_tokens_per_second <= 0) return memory_tokens_per_second;
  return std::min(disk_tokens_per_second, memory_tokens_per_second);
}

const char* SpeedBound::name() const {
  return tokens_per_second() < memory_tokens_per_second ? "disk" : "memory";
}

SpeedBound decode_bound(const TelemetrySample& sample, const TokenWork& work, const MachineRates& rates) {
  SpeedBound bound;
  if (sample.bytes_per_token() > 0) bound.disk_tokens_per_second = rates.disk / sample.bytes_per_token();
  bound.memory_tokens_per_second = rates.memory / static_cast<double>(work.routed_bytes + work.dense_bytes);
  return bound;
}

std::string describe(const SpeedFigures& figures) {
  const TelemetrySample& sample = figures.sample;
  std::string text = fmt::format("  {:.3g} tokens/s, {:.3g} ms a token; {:.1f} % hits, {} read per token\n",
                                 sample.tokens_per_second(), per_token(sample.interval_ns, sample) / 1e6,
                                 100 * sample.hit_rate(), bytes_text(sample.bytes_per_token()));
  if (sample.spent.read_busy_ns != 0) {
    text += fmt::format("  disk busy {:.0f} % of the time, {}/s while it is, {:.1f} reads in flight\n",
                        100 * sample.device_busy_share(), bytes_text(sample.device_bytes_per_second()),
                        sample.queue_depth());
  }
  if (sample.spent.prefetched_bytes != 0) {
    text += fmt::format("  read ahead {} per token, {:.0f} % of use\n",
                        bytes_text(per_token(sample.spent.prefetched_bytes, sample)),
                        100 * sample.prefetch_useful_share());
  }
  for (size_t part = 0; part < kPassParts; ++part)
    text += part_line(kPartNames[part].name, figures.part_ns[part], sample);
  return text + part_line(kRest.name, figures.rest_ns(), sample);
}

std::string describe(const SpeedBound& bound, const TelemetrySample& sample, const TokenWork& work,
                     const MachineRates& rates) {
  std::string text;
  if (bound.disk_tokens_per_second > 0) {
    text +=
        fmt::format("  disk    {}/s ÷ {} read per token = {:.3g} tokens/s at most\n", bytes_text(rates.disk),
                    bytes_text(sample.bytes_per_token()), bound.disk_tokens_per_second);
  }
  text += fmt::format("  memory  {}/s ÷ {} touched per token = {:.3g} tokens/s at most\n",
                      bytes_text(rates.memory), format_bytes(work.routed_bytes + work.dense_bytes),
                      bound.memory_tokens_per_second);
  return text + fmt::format("  reached {:.0f} % of what {} allows\n",
                            100 * sample.tokens_per_second() / bound.tokens_per_second(), bound.name());
}

nlohmann::ordered_json to_json(const SpeedFigures& figures) {
  const TelemetrySample& sample = figures.sample;
  nlohmann::ordered_json json{{"tokens", sample.tokens},
                              {"elapsed_ns", sample.interval_ns},
                              {"tokens_per_second", sample.tokens_per_second()},
                              {"hit_rate", sample.hit_rate()},
                              {"read_bytes_per_token", sample.bytes_per_token()},
                              {"read_bytes_per_second", sample.read_bytes_per_second()},
                              {"device_busy_share", sample.device_busy_share()},
                              {"device_bytes_per_second", sample.device_bytes_per_second()},
                              {"queue_depth", sample.queue_depth()},
                              {"prefetched_bytes", sample.spent.prefetched_bytes},
                              {"prefetch_useful_bytes", sample.spent.prefetch_useful_bytes},
                              {"prefetch_wasted_bytes", sample.spent.prefetch_wasted_bytes}};
  for (size_t part = 0; part < kPassParts; ++part) json[kPartNames[part].key] = figures.part_ns[part];
  json[kRest.key] = figures.rest_ns();
  return json;
}

nlohmann::ordered_json to_json(const SpeedBound& bound, const TelemetrySample& sample) {
  return {{"disk_tokens_per_second", bound.disk_tokens_per_second},
          {"memory_tokens_per_second", bound.memory_tokens_per_second},
          {"binding", bound.name()},
          {"reached", sample.tokens_per_second() / bound.tokens_per_second()}};
}

}  // namespace sluice
