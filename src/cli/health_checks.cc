#include "cli/health_checks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"

namespace sluice {
namespace {

// Estimates where the cost model has nothing to say; they order advice.
constexpr double kGainOfWiderVectors = 1.5;
constexpr double kGainOfAnyVectors = 4;

// Of a list of messages, as many as people read.
constexpr size_t kListed = 5;

std::string listed(const std::vector<std::string>& messages) {
  const auto end = messages.begin() + static_cast<ptrdiff_t>(std::min(messages.size(), kListed));
  std::string text = fmt::format("{}", fmt::join(messages.begin(), end, "; "));
  if (messages.size() > kListed) text += fmt::format("; and {} more", messages.size() - kListed);
  return text;
}

HealthCheck check_checkpoint(const CheckpointFacts& facts) {
  HealthCheck check{.subject = "checkpoint", .found = {}, .advice = {}};
  if (facts.folder.empty()) {
    check.health = Health::kUnknown;
    check.found = "there is none to look at";
    check.advice = "Name a checkpoint's folder: sluice doctor -m FOLDER.";
  } else if (!facts.damaged_shards.empty()) {
    check.health = Health::kBroken;
    check.found =
        fmt::format("{} of {} shards are missing or damaged", facts.damaged_shards.size(), facts.files);
    check.advice = fmt::format("Fetch these again: {}.", listed(facts.damaged_shards));
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
        listed(facts.oversized_shards));
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
  check.found = fmt::format("kernels use {}", simd_name(facts.simd_target));
  if (!facts.features.empty()) check.found += fmt::format("; it has {}", fmt::join(facts.features, " "));
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

HealthCheck check_cores(const ProcessorFacts& facts) {
  HealthCheck check{.subject = "cores", .found = fmt::format("{}", facts.cores), .advice = {}};
  const auto cores = static_cast<double>(facts.cores);
  if (facts.granted_cores == 0 || facts.granted_cores >= cores) return check;
  check.health = Health::kBetter;
  check.gain = cores / facts.granted_cores;
  check.found += fmt::format(", and a control group grants the time of {:.3g}", facts.granted_cores);
  check.advice = fmt::format(
      "{} threads use that time up at once and stand still until there is more: pass --threads {:.0f}, or "
      "raise the limit (docker run --cpus, CPUQuota= of systemd).",
      facts.cores, std::max(1.0, std::floor(facts.granted_cores)));
  return check;
}

// ---- memory and disk: what the cost model (engine/cost_model.h) expects of them for a model

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

// Where more of it may be found; empty: nowhere on this machine. Begins with a space.
std::string where_memory_is(const MachineMemory& memory) {
  if (memory.group_limit_bytes != 0) {
    return fmt::format(
        " The machine has {}, and a control group allows {} of it: raise its limit (docker run --memory, "
        "MemoryMax= of systemd).",
        format_bytes(memory.total_bytes), format_bytes(memory.group_limit_bytes));
  }
  if (memory.available_bytes < memory.total_bytes / 4 * 3) {
    return fmt::format(" Other programs hold {}: end those that are not needed.",
                       format_bytes(memory.total_bytes - memory.available_bytes));
  }
  return {};
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
  check.advice += where_memory_is(memory);
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

HealthCheck check_memory(const HealthFacts& facts) {
  HealthCheck check{.subject = "memory", .found = memory_found(facts), .advice = {}};
  if (!facts.does_not_fit.empty()) {
    check.health = Health::kBroken;
    check.advice = facts.does_not_fit + "." + where_memory_is(facts.memory);
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

// ---- what the operating system grants

// Estimates, to put advice in order.
constexpr double kGainOfDirectReads = 1.2;
constexpr double kGainOfUring = 1.05;
constexpr double kGainOfHugePages = 1.03;
constexpr double kGainOfLockedMemory = 1.02;

// A checkpoint's files are open twice while direct reads are tried; a few more descriptors are the program's
// own. A server has one for each connection too (sluice serve --connections).
constexpr uint64_t kOwnDescriptors = 16;
constexpr uint64_t kServerDescriptors = 128;

std::string uring_advice(const ReadingFacts& facts) {
  const std::string without =
      "Without io_uring, threads wait for one read each, which costs more processor time. ";
  if (facts.uring_is_disabled.value_or(0) != 0) {
    return without + fmt::format(
                         "The system switches it off (kernel.io_uring_disabled is {}): sysctl -w "
                         "kernel.io_uring_disabled=0 allows it.",
                         *facts.uring_is_disabled);
  }
  if (facts.uring_refusal.find("EPERM") != std::string::npos ||
      facts.uring_refusal.find("EACCES") != std::string::npos) {
    return without +
           "A container's security profile (seccomp) forbids it: allow io_uring_setup, io_uring_enter and "
           "io_uring_register there.";
  }
  if (facts.uring_refusal.find("ENOMEM") != std::string::npos) {
    return without + "Let the process lock more memory (ulimit -l), or use Linux 5.12 or later.";
  }
  return without + "Linux has it from 5.6 on; it may have been left out of this kernel.";
}

std::string limit_text(uint64_t limit, const std::string& text) {
  return limit == LimitFacts::kNone ? "no limit" : text;
}

uint64_t descriptors_needed(const HealthFacts& facts) {
  return 2 * facts.checkpoint.files + kOwnDescriptors;
}

// What was tried then says nothing about the system.
bool has_too_few_descriptors(const HealthFacts& facts) {
  return facts.limits.open_files < descriptors_needed(facts);
}

HealthCheck check_direct_reads(const HealthFacts& found) {
  const ReadingFacts& facts = found.reading;
  HealthCheck check{.subject = "direct reads",
                    .found = "O_DIRECT works: experts are read past the page cache",
                    .advice = {}};
  if (!facts.problem.empty()) {
    check.health = Health::kBroken;
    check.found = "the files cannot be opened";
    check.advice = facts.problem + ".";
  } else if (!facts.direct || (!*facts.direct && has_too_few_descriptors(found))) {
    check.health = Health::kUnknown;
    check.found = facts.direct ? "not tried: too few files may be open" : "there is no file to try them on";
  } else if (!*facts.direct) {
    check.health = Health::kBetter;
    check.gain = kGainOfDirectReads;
    check.found = "the file system refuses O_DIRECT";
    check.advice = fmt::format(
        "The page cache keeps a second copy of what is read, and copying costs time ({}). ext4, xfs and "
        "btrfs allow O_DIRECT: put the checkpoint on one of them.",
        facts.direct_refusal);
  }
  return check;
}

HealthCheck check_uring(const HealthFacts& found) {
  const ReadingFacts& facts = found.reading;
  HealthCheck check{
      .subject = "io_uring", .found = "works: one thread keeps many reads in flight", .advice = {}};
  if (!facts.uring || (!*facts.uring && has_too_few_descriptors(found))) {
    check.health = Health::kUnknown;
    check.found = facts.uring ? "not tried: too few files may be open" : "there is no file to try it on";
  } else if (!*facts.uring) {
    check.health = Health::kBetter;
    check.gain = kGainOfUring;
    check.found = facts.uring_refusal;
    check.advice = uring_advice(facts);
  }
  return check;
}

HealthCheck check_locked_memory(const HealthFacts& facts) {
  const uint64_t limit = facts.limits.locked_bytes;
  HealthCheck check{
      .subject = "locked memory", .found = limit_text(limit, format_bytes(limit)), .advice = {}};
  const uint64_t wanted = facts.plan ? facts.plan->experts_bytes : 0;
  if (limit >= wanted || facts.reading.uring != true) return check;
  check.health = Health::kBetter;
  check.gain = kGainOfLockedMemory;
  check.advice = fmt::format(
      "io_uring reads with less processor time into memory that it may lock, and the experts' slots take {}: "
      "raise the limit (ulimit -l unlimited, memlock in /etc/security/limits.conf, LimitMEMLOCK= of "
      "systemd).",
      format_bytes(wanted));
  return check;
}

HealthCheck check_open_files(const HealthFacts& facts) {
  const uint64_t limit = facts.limits.open_files;
  const uint64_t needed = descriptors_needed(facts), enough = needed + kServerDescriptors;
  HealthCheck check{
      .subject = "open files", .found = limit_text(limit, fmt::format("at most {}", limit)), .advice = {}};
  if (limit >= enough) return check;
  check.health = facts.reading.problem.empty() || limit >= needed ? Health::kBetter : Health::kBroken;
  const std::string why =
      limit < needed ? fmt::format("The checkpoint's {} files, each open twice, need {}.",
                                   facts.checkpoint.files, needed)
                     : fmt::format("Enough for run and chat; serve wants {}, for its connections.", enough);
  check.advice = fmt::format("{} Raise the limit: ulimit -n {}.", why, enough);
  return check;
}

HealthCheck check_huge_pages(const HealthFacts& facts) {
  if (!facts.huge_pages) {
    return {.subject = "huge pages",
            .health = Health::kUnknown,
            .found = "the system does not say (/sys cannot be read)",
            .advice = {}};
  }
  const std::string& mode = *facts.huge_pages;
  HealthCheck check{
      .subject = "huge pages", .found = "granted where they are wished for (" + mode + ")", .advice = {}};
  if (mode == "always" || mode == "madvise") return check;
  check.health = Health::kBetter;
  check.gain = kGainOfHugePages;
  check.found = mode.empty() ? "this kernel has no transparent ones" : "switched off (" + mode + ")";
  check.advice = mode.empty()
                     ? "A kernel with transparent huge pages finds weights and slots with fewer look-ups."
                     : "Weights and slots lie in many small pages, which cost look-ups: echo madvise > "
                       "/sys/kernel/mm/transparent_hugepage/enabled, as root.";
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
          check_cores(facts.processor),
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
