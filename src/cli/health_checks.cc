#include "cli/health_checks.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/units.h"
#include "cli/speed_checks.h"
#include "cli/system_checks.h"

namespace sluice {
namespace {

// Estimates where the cost model has nothing to say; they order advice.
constexpr double kGainOfWiderVectors = 1.5;
constexpr double kGainOfAnyVectors = 4;
HealthCheck check_checkpoint(const CheckpointFacts& facts) {
  HealthCheck check{.subject = "checkpoint", .found = {}, .advice = {}};
  if (!facts.damaged_shards.empty()) {
    check.health = Health::kBroken;
    check.found =
        fmt::format("{} of {} shards are missing or damaged", facts.damaged_shards.size(), facts.files);
    check.advice = fmt::format("Fetch these again: {}.", fmt::join(facts.damaged_shards, "; "));
  } else if (!facts.problem.empty()) {
    check.health = Health::kBroken;
    check.found = "it cannot be opened";
    check.advice = facts.problem + ".";
  } else {
    check.found =
        fmt::format("{} in {} tensors, {} file{}, all of them there", format_bytes(facts.tensor_bytes),
                    facts.tensors, facts.files, facts.files == 1 ? "" : "s");
  }
  if (check.health == Health::kOk && !facts.oversized_shards.empty()) {
    check.health = Health::kBetter;
    check.advice = fmt::format(
        "What runs is complete, but a shard that is longer than its header says may have been fetched "
        "wrongly: {}.",
        fmt::join(facts.oversized_shards, "; "));
  }
  return check;
}

HealthCheck check_tokenizer(const CheckpointFacts& facts) {
  HealthCheck check{.subject = "tokenizer", .found = "text becomes tokens", .advice = {}};
  if (!facts.tokenizer_problem) {
    check.health = Health::kUnknown;
    check.found = "there is no model";
  } else if (!facts.tokenizer_problem->empty()) {
    check.health = Health::kBroken;
    check.found = "there is none that works";
    check.advice =
        "run, chat and serve need the checkpoint's tokenizer.json: " + *facts.tokenizer_problem + ".";
  }
  return check;
}

bool has(const ProcessorFacts& facts, const char* feature) {
  return std::find(facts.features.begin(), facts.features.end(), feature) != facts.features.end();
}

std::string simd_name(const std::string& target) {
  if (target.starts_with("AVX3")) return "AVX-512 (" + target + ")";
  return target;
}

HealthCheck check_processor(const ProcessorFacts& facts) {
  const bool widest = facts.simd_target.starts_with("AVX3") || facts.simd_target.starts_with("NEON") ||
                      facts.simd_target.starts_with("SVE");
  HealthCheck check{.subject = "processor", .found = {}, .advice = {}};
  check.found = fmt::format("{} on {} core{}; it has {}", simd_name(facts.simd_target), facts.cores,
                            facts.cores == 1 ? "" : "s",
                            facts.features.empty() ? "no vector instructions that matter"
                                                   : fmt::format("{}", fmt::join(facts.features, " ")));
  if (widest) return check;
  check.health = Health::kBetter;
  check.gain = kGainOfWiderVectors;
  if (facts.simd_target == "AVX2" && has(facts, "avx512f") && !facts.choice.empty()) {
    check.advice = fmt::format(
        "The processor has AVX-512, and SLUICE_CPU={} keeps it from being used: unset it.", facts.choice);
  } else if (facts.simd_target == "AVX2") {
    check.advice = "A processor with AVX-512 computes the same on wider vectors.";
  } else {
    check.gain = kGainOfAnyVectors;
    check.advice =
        "The arithmetic hardly uses vectors here: a processor with AVX2 or AVX-512 would be several times as "
        "fast. "
        "In a virtual machine, let it see the host's processor.";
  }
  return check;
}

}  // namespace

const char* health_name(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kUnknown:
      return "unknown";
    case Health::kBetter:
      return "better";
    case Health::kBroken:
      return "broken";
  }
  return "";
}

std::vector<HealthCheck> check_health(const HealthFacts& facts) {
  return {check_checkpoint(facts.checkpoint),
          check_tokenizer(facts.checkpoint),
          check_processor(facts.processor),
          check_memory(facts),
          check_disk(facts),
          check_direct_reads(facts),
          check_uring(facts),
          check_locked_memory(facts),
          check_open_files(facts),
          check_huge_pages(facts)};
}

bool runs_here(const std::vector<HealthCheck>& checks) {
  return std::none_of(checks.begin(), checks.end(),
                      [](const HealthCheck& check) { return check.health == Health::kBroken; });
}

std::vector<HealthCheck> most_important_first(std::vector<HealthCheck> checks) {
  std::erase_if(checks, [](const HealthCheck& check) { return check.advice.empty(); });
  std::stable_sort(checks.begin(), checks.end(), [](const HealthCheck& a, const HealthCheck& b) {
    const bool a_broken = a.health == Health::kBroken, b_broken = b.health == Health::kBroken;
    return a_broken != b_broken ? a_broken : a.gain > b.gain;
  });
  return checks;
}

}  // namespace sluice
