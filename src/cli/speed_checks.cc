#include "cli/speed_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace sluice {
namespace {

// A disk that turns moves its arm for every random read, and brings no more than the first figure even when
// it need not; a usual solid-state disk brings the last one.
constexpr double kTurningBytesPerSecond = 400e6;
constexpr double kSeekSeconds = 5e-3;
constexpr double kSolidBytesPerSecond = 2e9;

std::string rate_text(double bytes_per_second) {
  return format_bytes(static_cast<uint64_t>(bytes_per_second)) + "/s";
}

double milliseconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

double share_in_memory(const HealthFacts& facts) {
  if (!facts.plan || facts.plan->experts == 0) return 1;
  return static_cast<double>(facts.plan->slots) / static_cast<double>(facts.plan->experts);
}

bool holds_everything(const HealthFacts& facts) {
  return facts.plan && facts.plan->slots >= facts.plan->experts;
}

TokenCost cost_now(const HealthFacts& facts) {
  return expected_cost(facts.work, facts.rates.value_or(MachineRates{}), share_in_memory(facts));
}

// How many times as fast with another disk, or another share of experts in memory. Without rates only reading
// is known, and all there is to compare.
double gain_of(const HealthFacts& facts, double disk_bytes_per_second, double share) {
  const TokenCost now = cost_now(facts);
  if (!facts.rates) {
    const TokenCost then = expected_cost(facts.work, {}, share);
    return static_cast<double>(now.read_bytes + 1) / static_cast<double>(then.read_bytes + 1);
  }
  MachineRates rates = *facts.rates;
  rates.disk = disk_bytes_per_second;
  return expected_cost(facts.work, rates, share).most_tokens_per_second / now.most_tokens_per_second;
}

std::string memory_found(const HealthFacts& facts) {
  const MachineMemory& memory = facts.memory;
  if (memory.available_bytes == 0) return "the system does not say how much is available";
  std::string found = fmt::format("{} of {} available", format_bytes(memory.available_bytes),
                                  format_bytes(memory.total_bytes));
  if (memory.group_limit_bytes != 0) {
    found += fmt::format(", the control group allows {}", format_bytes(memory.group_limit_bytes));
  }
  return found;
}

// For experts that do not all fit: what twice their room would bring, and where it may be found.
void advise_more_memory(const HealthFacts& facts, HealthCheck& check) {
  const MachineMemory& memory = facts.memory;
  const double share = share_in_memory(facts), twice = std::min(1.0, 2 * share);
  const TokenCost now = cost_now(facts);
  const TokenCost then = expected_cost(facts.work, facts.rates.value_or(MachineRates{}), twice);
  check.health = Health::kBetter;
  check.gain = gain_of(facts, facts.rates ? facts.rates->disk : 0, twice);
  check.advice = fmt::format(
      "Experts that are not in memory are read when they are needed, about {} for a token. Room for {} more "
      "would hold {:.0f} % of them, and a token would read {}.",
      format_bytes(now.read_bytes),
      format_bytes(static_cast<uint64_t>((twice - share) * static_cast<double>(facts.plan->experts)) *
                   facts.plan->slot_bytes),
      100 * twice, format_bytes(then.read_bytes));
  if (memory.group_limit_bytes != 0) {
    check.advice += fmt::format(
        " The machine has {}, and a control group allows {} of it: raise its limit (docker run --memory, "
        "MemoryMax= of systemd).",
        format_bytes(memory.total_bytes), format_bytes(memory.group_limit_bytes));
  } else if (memory.available_bytes < memory.total_bytes / 4 * 3) {
    check.advice += fmt::format(" Other programs hold {}: end those that are not needed.",
                                format_bytes(memory.total_bytes - memory.available_bytes));
  }
}

// Virtual disks say so too: what was measured decides.
bool is_turning(const HealthFacts& facts) {
  if (facts.disk.rotational != true) return false;
  if (!facts.rates || !facts.plan) return false;
  const double by_arm = static_cast<double>(facts.plan->slot_bytes) / kSeekSeconds;
  return facts.rates->disk < std::min(by_arm, kTurningBytesPerSecond);
}

std::string disk_found(const HealthFacts& facts) {
  const DiskKind& disk = facts.disk;
  std::string found = disk.device.empty() ? "a disk" : disk.device;
  if (disk.file_system == "tmpfs") found = "memory";
  if (!disk.file_system.empty()) found += " (" + disk.file_system + ")";
  if (disk.is_remote()) {
    found += ", not a disk of this machine";
  } else if (is_turning(facts)) {
    found += ", a turning disk";
  } else if (disk.rotational) {
    found += *disk.rotational ? ", says that it turns (virtual ones do, too)" : ", solid-state";
  }
  if (!facts.rates) return found + (facts.rates_problem.empty() ? ", speed not measured" : "");
  found += fmt::format(", {} in random reads of an expert's size", rate_text(facts.rates->disk));
  return found + (facts.reading.direct == false ? " through the page cache, which flatters it" : "");
}

std::string bound_by_disk(const HealthFacts& facts) {
  const TokenCost now = cost_now(facts);
  return fmt::format(
      "A token needs {:.3g} ms of reading and {:.3g} ms of computing: the disk sets the pace, at {:.3g} to "
      "{:.3g} tokens/s.",
      milliseconds(now.read_ns), milliseconds(now.compute_ns), now.least_tokens_per_second,
      now.most_tokens_per_second);
}

}  // namespace

HealthCheck check_memory(const HealthFacts& facts) {
  HealthCheck check{.subject = "memory", .found = memory_found(facts), .advice = {}};
  if (!facts.does_not_fit.empty()) {
    check.health = Health::kBroken;
    check.advice = facts.does_not_fit + ".";
  } else if (!facts.plan) {
    check.health = Health::kUnknown;
    check.found += "; without a model, nobody can tell whether that is enough";
  } else if (holds_everything(facts)) {
    check.found += ": all experts fit";
  } else {
    check.found += fmt::format(": {:.0f} % of the experts fit", 100 * share_in_memory(facts));
    advise_more_memory(facts, check);
  }
  return check;
}

HealthCheck check_disk(const HealthFacts& facts) {
  HealthCheck check{.subject = "disk", .found = disk_found(facts), .advice = {}};
  if (!facts.rates_problem.empty()) {
    check.health = Health::kBroken;
    check.advice = "Reading experts failed: " + facts.rates_problem + ".";
    return check;
  }
  if (!facts.rates && (facts.disk.file_system.empty() || facts.disk.rotational == true)) {
    check.health = Health::kUnknown;
    return check;
  }
  if (holds_everything(facts)) return check;  // it is read once
  const double speed = facts.rates ? facts.rates->disk : 0;
  const TokenCost now = cost_now(facts);
  const bool sets_the_pace = facts.rates && now.read_ns > now.compute_ns;
  if (is_turning(facts) || facts.disk.is_remote()) {
    check.health = Health::kBetter;
    check.gain =
        facts.rates ? gain_of(facts, std::max(speed, kSolidBytesPerSecond), share_in_memory(facts)) : 10;
    check.advice =
        "Put the checkpoint on a solid-state disk of this machine, at best one with NVMe: experts are "
        "read at random, all the time.";
  } else if (sets_the_pace) {
    check.health = Health::kBetter;
    check.gain = gain_of(facts, 2 * speed, share_in_memory(facts));
    check.advice = fmt::format("A disk twice as fast would make it {:.2g} times as fast.", check.gain);
  }
  if (sets_the_pace) check.advice = bound_by_disk(facts) + " " + check.advice;
  return check;
}

}  // namespace sluice
