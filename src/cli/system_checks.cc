#include "cli/system_checks.h"

#include <fmt/format.h>

#include "base/units.h"

namespace sluice {
namespace {

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

}  // namespace

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
  const std::string& mode = facts.huge_pages;
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

}  // namespace sluice
