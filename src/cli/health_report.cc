#include "cli/health_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/json_output.h"

namespace sluice {
namespace {

using nlohmann::ordered_json;

std::string mark(Health health, const Output& output) {
  std::string text = fmt::format("{:<7}", health_name(health));
  switch (health) {
    case Health::kOk:
      return output.styled(Style::kGreen, text);
    case Health::kUnknown:
      return output.styled(Style::kDim, text);
    case Health::kBetter:
      return output.styled(Style::kYellow, text);
    case Health::kBroken:
      return output.styled(Style::kRed, text);
  }
  return text;
}

const char* verdict(const HealthFacts& facts, const std::vector<HealthCheck>& checks) {
  if (!runs_here(checks)) return "The model cannot run here. What to do, most important first:\n";
  if (facts.checkpoint.folder.empty()) return "No model was looked at. What to do, most important first:\n";
  return "It runs. What would make it better, most important first:\n";
}

std::string advice_text(const HealthFacts& facts, const std::vector<HealthCheck>& checks,
                        const Output& output) {
  const std::vector<HealthCheck> advice = most_important_first(checks);
  if (advice.empty()) return "\nIt runs, and nothing that was looked at would make it faster.\n";
  std::string text = std::string("\n") + verdict(facts, checks);
  size_t number = 0;
  for (const HealthCheck& check : advice) {
    text += fmt::format("  {}. {}: {}\n", ++number, output.styled(Style::kBold, check.subject),
                        without_controls(check.advice));
  }
  return text;
}

ordered_json limit_json(uint64_t limit) {
  return limit == LimitFacts::kNone ? ordered_json() : ordered_json(limit);
}

template <class T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json machine_json(const HealthFacts& facts) {
  ordered_json granted;  // null: no limit
  if (facts.processor.granted_cores > 0) granted = facts.processor.granted_cores;
  return {{"cores", facts.processor.cores},
          {"granted_cores",
           facts.processor.granted_cores > 0 ? ordered_json(facts.processor.granted_cores) : ordered_json()},
          {"simd_target", facts.processor.simd_target},
          {"processor_features", facts.processor.features},
          {"memory_bytes", facts.memory.total_bytes},
          {"available_bytes", facts.memory.available_bytes},
          {"group_limit_bytes", facts.memory.group_limit_bytes},
          {"file_system", facts.disk.file_system},
          {"device", facts.disk.device},
          {"rotational", or_null(facts.disk.rotational)},
          {"direct_reads", or_null(facts.reading.direct)},
          {"io_uring", or_null(facts.reading.uring)},
          {"open_files_limit", limit_json(facts.limits.open_files)},
          {"locked_memory_limit_bytes", limit_json(facts.limits.locked_bytes)},
          {"huge_pages", or_null(facts.huge_pages)}};
}

}  // namespace

std::string describe_health(const HealthFacts& facts, const std::vector<HealthCheck>& checks,
                            const Output& output) {
  std::string text =
      facts.checkpoint.folder.empty() ? "" : without_controls(facts.checkpoint.folder.string()) + "\n";
  for (const HealthCheck& check : checks) {
    text += fmt::format("  {} {:<14} {}\n", mark(check.health, output), check.subject,
                        without_controls(check.found));
  }
  return text + advice_text(facts, checks, output);
}

std::string health_as_json(const HealthFacts& facts, const std::vector<HealthCheck>& checks) {
  ordered_json runs;  // null: there is no model
  if (!facts.checkpoint.folder.empty()) runs = runs_here(checks);
  ordered_json json{{"folder", facts.checkpoint.folder.string()},
                    {"runs", runs},
                    {"checks", ordered_json::array()},
                    {"advice", ordered_json::array()},
                    {"machine", machine_json(facts)}};
  for (const HealthCheck& check : checks) {
    json["checks"].push_back(
        {{"subject", check.subject}, {"health", health_name(check.health)}, {"found", check.found}});
  }
  for (const HealthCheck& check : most_important_first(checks)) {
    json["advice"].push_back({{"subject", check.subject}, {"text", check.advice}});
  }
  if (facts.plan) json["memory_plan"] = to_json(*facts.plan);
  if (facts.rates) {
    json["disk_bytes_per_second"] = facts.rates->disk;
    json["kernel_bytes_per_second"] = facts.rates->kernels;
    json["memory_bytes_per_second"] = facts.rates->memory;
  }
  return json_line(json);
}

}  // namespace sluice
