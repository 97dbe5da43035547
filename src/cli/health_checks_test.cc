#include "cli/health_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/health_report.h"
#include "cli/test_output.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr uint64_t kGB = 1'000'000'000;

// A machine that leaves nothing to wish for, with a model of 100 experts of 1 GB, ten of them a token's.
HealthFacts good_machine() {
  HealthFacts facts;
  facts.processor = {16, 0, "AVX3_DL", {"avx2", "avx512f"}, ""};
  facts.memory = {256 * kGB, 250 * kGB, 0};
  facts.checkpoint.folder = "/data/model";
  facts.checkpoint.files = 40;
  facts.checkpoint.tensors = 1000;
  facts.checkpoint.tensor_bytes = 110 * kGB;
  facts.checkpoint.tokenizer_problem = "";
  facts.plan.emplace();
  facts.plan->slot_bytes = kGB;
  facts.plan->slots = facts.plan->experts = 100;
  facts.plan->experts_bytes = 100 * kGB;
  facts.work = {10 * kGB, 10 * kGB};
  facts.disk = {"ext4", "nvme0n1", false};
  facts.reading.direct = true;
  facts.reading.uring = true;
  facts.rates = {5e9, 100e9, 200e9};
  facts.huge_pages = "madvise";
  return facts;
}

// The same with a quarter of the experts in memory: 84 % hits are expected (cost_model.h), so that a token
// reads 1.6 GB and computes on 20.
HealthFacts machine_with_a_quarter() {
  HealthFacts facts = good_machine();
  facts.plan->slots = 25;
  facts.plan->experts_bytes = 25 * kGB;
  facts.memory = {64 * kGB, 60 * kGB, 0};
  return facts;
}

HealthCheck check_of(const HealthFacts& facts, const std::string& subject) {
  const std::vector<HealthCheck> checks = check_health(facts);
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [&](const HealthCheck& check) { return check.subject == subject; });
  return found == checks.end() ? HealthCheck{.subject = "no such check", .found = {}, .advice = {}} : *found;
}

TEST(HealthChecks, AGoodMachineNeedsNoAdvice) {
  const auto checks = check_health(good_machine());
  for (const HealthCheck& check : checks) EXPECT_EQ(check.health, Health::kOk) << check.subject;
  EXPECT_TRUE(runs_here(checks));
  EXPECT_THAT(most_important_first(checks), IsEmpty());
}

TEST(HealthChecks, WhatIsNotOkSaysWhatToDo) {
  HealthFacts facts;  // of which nothing could be found out
  facts.checkpoint.folder = "/nowhere";
  facts.checkpoint.problem = "there is no model";
  facts.limits = {10, 10};
  for (const HealthCheck& check : check_health(facts)) {
    const bool is_bad = check.health == Health::kBetter || check.health == Health::kBroken;
    EXPECT_EQ(is_bad, !check.advice.empty()) << check.subject;
    EXPECT_FALSE(check.found.empty()) << check.subject;
  }
}

TEST(HealthChecks, EveryDamagedShardIsNamed) {
  HealthFacts facts = good_machine();
  facts.checkpoint.problem = "a.safetensors is missing";
  facts.checkpoint.damaged_shards = {"a.safetensors: missing", "b.safetensors: cut short"};
  const HealthCheck check = check_of(facts, "checkpoint");
  EXPECT_EQ(check.health, Health::kBroken);
  EXPECT_THAT(check.found, HasSubstr("2 of 40"));
  EXPECT_THAT(check.advice, HasSubstr("a.safetensors: missing; b.safetensors: cut short"));
}

TEST(HealthChecks, OfManyDamagedShardsAFewAreNamed) {
  HealthFacts facts = good_machine();
  facts.checkpoint.damaged_shards.assign(40, "a shard: missing");
  EXPECT_THAT(check_of(facts, "checkpoint").advice, HasSubstr("a shard: missing; and 35 more"));
}

TEST(HealthChecks, WithoutACheckpointNothingIsBroken) {
  HealthFacts facts = good_machine();
  facts.checkpoint = {};
  facts.plan.reset();
  facts.rates.reset();
  facts.disk = {};
  facts.reading.direct.reset();
  const auto checks = check_health(facts);
  EXPECT_TRUE(runs_here(checks));
  EXPECT_THAT(check_of(facts, "checkpoint").advice, HasSubstr("-m FOLDER"));
  EXPECT_THAT(describe_health(facts, checks, Output::none()), HasSubstr("No model was looked at."));
  EXPECT_TRUE(nlohmann::json::parse(health_as_json(facts, checks))["runs"].is_null());
}

TEST(HealthChecks, ThreadsThatAControlGroupHoldsUpAreTooMany) {
  HealthFacts facts = good_machine();
  facts.processor.granted_cores = 16;
  EXPECT_EQ(check_of(facts, "cores").health, Health::kOk);
  facts.processor.granted_cores = 2;
  EXPECT_EQ(check_of(facts, "cores").gain, 8);
  facts.processor.granted_cores = 2.75;
  EXPECT_THAT(check_of(facts, "cores").advice, HasSubstr("--threads 2,"));
  facts.processor.granted_cores = 0.5;
  EXPECT_THAT(check_of(facts, "cores").advice, HasSubstr("--threads 1,"));
}

TEST(HealthChecks, ATensorThatIsMissingBreaksAndALongShardDoesNot) {
  HealthFacts facts = good_machine();
  facts.checkpoint.oversized_shards = {"c.safetensors: it has 12 bytes, 2 more than its header says"};
  EXPECT_EQ(check_of(facts, "checkpoint").health, Health::kBetter);
  facts.checkpoint.problem = "no tensor head.weight";
  EXPECT_EQ(check_of(facts, "checkpoint").health, Health::kBroken);
  EXPECT_THAT(check_of(facts, "checkpoint").advice, HasSubstr("head.weight"));
}

TEST(HealthChecks, WithoutATokenizerNothingRuns) {
  HealthFacts facts = good_machine();
  facts.checkpoint.tokenizer_problem = "/data/model/tokenizer.json: cannot open";
  EXPECT_FALSE(runs_here(check_health(facts)));
}

TEST(HealthChecks, AnUnusedInstructionSetIsToldFromAMissingOne) {
  HealthFacts facts = good_machine();
  facts.processor.simd_target = "AVX2";
  facts.processor.choice = "avx2";
  EXPECT_THAT(check_of(facts, "processor").advice, HasSubstr("unset"));
  facts.processor.features = {"avx2"};
  EXPECT_THAT(check_of(facts, "processor").advice, Not(HasSubstr("unset")));
  const double gain = check_of(facts, "processor").gain;
  facts.processor.simd_target = "SSE4";
  EXPECT_GT(check_of(facts, "processor").gain, gain);
}

TEST(HealthChecks, MemoryThatIsTooSmallBreaks) {
  HealthFacts facts = good_machine();
  facts.plan.reset();
  facts.does_not_fit = "12 GB are available; it works from 14 GB on";
  EXPECT_EQ(check_of(facts, "memory").health, Health::kBroken);
  EXPECT_THAT(check_of(facts, "memory").advice, HasSubstr("from 14 GB on"));
  facts.memory.group_limit_bytes = 12 * kGB;
  EXPECT_THAT(check_of(facts, "memory").advice, HasSubstr("a control group allows 12.0 GB"));
}

TEST(HealthChecks, MoreMemoryIsPutInBytes) {
  const HealthCheck check = check_of(machine_with_a_quarter(), "memory");
  EXPECT_EQ(check.health, Health::kBetter);
  EXPECT_THAT(check.found, HasSubstr("25 % of the experts"));
  EXPECT_THAT(check.advice, HasSubstr("1.60 GB for a token"));
  EXPECT_THAT(check.advice, HasSubstr("25.0 GB more would hold 50 %"));
  EXPECT_THAT(check.advice, Not(HasSubstr("control group")));
  EXPECT_THAT(check.advice, Not(HasSubstr("Other programs")));
}

TEST(HealthChecks, AControlGroupIsBlamedWhenItIsToBlame) {
  HealthFacts facts = machine_with_a_quarter();
  facts.memory = {256 * kGB, 30 * kGB, 32 * kGB};
  EXPECT_THAT(check_of(facts, "memory").advice, HasSubstr("256 GB, and a control group allows 32.0 GB"));
  facts.memory.group_limit_bytes = 0;
  EXPECT_THAT(check_of(facts, "memory").advice, HasSubstr("Other programs hold 226 GB"));
}

TEST(HealthChecks, ADiskIsSlowWhenATokenWaitsForIt) {
  HealthFacts facts = machine_with_a_quarter();  // 320 ms of reading, 200 of computing
  const HealthCheck slow = check_of(facts, "disk");
  EXPECT_EQ(slow.health, Health::kBetter);
  EXPECT_THAT(slow.advice, HasSubstr("320 ms of reading and 200 ms of computing"));
  EXPECT_NEAR(slow.gain, 1.6, 1e-3) << "twice as fast, it reads for 160 ms, and computing binds";
  facts.rates->disk = 10e9;
  EXPECT_EQ(check_of(facts, "disk").health, Health::kOk);
}

TEST(HealthChecks, ATurningDiskAndAVirtualOneThatSaysSoAreToldApart) {
  HealthFacts facts = machine_with_a_quarter();
  facts.disk.rotational = true;
  facts.rates->disk = 150e6;
  EXPECT_THAT(check_of(facts, "disk").advice, HasSubstr("solid-state"));
  facts.rates->disk = 5e9;
  EXPECT_THAT(check_of(facts, "disk").advice, Not(HasSubstr("solid-state")));
  facts.plan->slot_bytes = 40'000;  // small reads are slow on any disk; these take no arm 5 ms
  facts.rates->disk = 150e6;
  EXPECT_THAT(check_of(facts, "disk").advice, Not(HasSubstr("solid-state")));
  facts.rates.reset();
  EXPECT_EQ(check_of(facts, "disk").health, Health::kUnknown);
}

TEST(HealthChecks, ADiskInTheNetworkIsAdvisedAgainstUnlessItIsReadOnce) {
  HealthFacts facts = machine_with_a_quarter();
  facts.disk = {"nfs4", "", std::nullopt};
  facts.rates->disk = 100e6;
  EXPECT_THAT(check_of(facts, "disk").advice, HasSubstr("of this machine"));
  facts.plan = good_machine().plan;
  EXPECT_EQ(check_of(facts, "disk").health, Health::kOk);
}

TEST(HealthChecks, ADiskThatFailsBreaks) {
  HealthFacts facts = machine_with_a_quarter();
  facts.rates.reset();
  facts.rates_problem = "model.safetensors: reading at byte 0: Input/output error";
  EXPECT_EQ(check_of(facts, "disk").health, Health::kBroken);
}

TEST(HealthChecks, RefusedDirectReadsSayWhy) {
  HealthFacts facts = good_machine();
  facts.reading.direct = false;
  facts.reading.direct_refusal = "a read of 4096 aligned bytes: Invalid argument";
  EXPECT_EQ(check_of(facts, "direct reads").health, Health::kBetter);
  EXPECT_THAT(check_of(facts, "direct reads").advice, HasSubstr("Invalid argument"));
}

TEST(HealthChecks, EachReasonAgainstIoUringHasItsRemedy) {
  HealthFacts facts = good_machine();
  facts.reading.uring = false;
  facts.reading.uring_refusal = "io_uring is not permitted here (EPERM)";
  EXPECT_THAT(check_of(facts, "io_uring").advice, HasSubstr("seccomp"));
  facts.reading.uring_is_disabled = 0;
  EXPECT_THAT(check_of(facts, "io_uring").advice, HasSubstr("seccomp"));
  facts.reading.uring_is_disabled = 2;
  EXPECT_THAT(check_of(facts, "io_uring").advice, HasSubstr("kernel.io_uring_disabled=0"));
  facts.reading.uring_is_disabled.reset();
  facts.reading.uring_refusal = "this kernel has no io_uring (ENOSYS)";
  EXPECT_THAT(check_of(facts, "io_uring").advice, HasSubstr("5.6"));
  facts.reading.uring_refusal = "io_uring may not lock the memory that it needs (ENOMEM)";
  EXPECT_THAT(check_of(facts, "io_uring").advice, HasSubstr("ulimit -l"));
}

TEST(HealthChecks, LockedMemoryMattersForIoUringAlone) {
  HealthFacts facts = good_machine();
  facts.limits.locked_bytes = 8 << 20;
  EXPECT_THAT(check_of(facts, "locked memory").advice, HasSubstr("100 GB"));
  facts.reading.uring = false;
  EXPECT_EQ(check_of(facts, "locked memory").health, Health::kOk);
}

TEST(HealthChecks, OpenFilesAreCountedForEachUse) {
  HealthFacts facts = good_machine();  // 40 files twice and 16, and 128 for a server
  facts.limits.open_files = 224;
  EXPECT_EQ(check_of(facts, "open files").health, Health::kOk);
  facts.limits.open_files = 223;
  EXPECT_THAT(check_of(facts, "open files").advice, HasSubstr("serve"));
  facts.limits.open_files = 95;
  EXPECT_EQ(check_of(facts, "open files").health, Health::kBetter)
      << "the files could be opened, if only once";
  facts.reading.problem = "x.safetensors: cannot open: Too many open files";
  EXPECT_EQ(check_of(facts, "open files").health, Health::kBroken);
}

TEST(HealthChecks, WhatTooFewOpenFilesHideIsNotJudged) {
  HealthFacts facts = good_machine();
  facts.limits.open_files = 50;
  facts.reading.direct = facts.reading.uring = false;
  EXPECT_EQ(check_of(facts, "direct reads").health, Health::kUnknown);
  EXPECT_EQ(check_of(facts, "io_uring").health, Health::kUnknown);
}

TEST(HealthChecks, HugePagesMayBeOffOrUnknownToTheKernel) {
  HealthFacts facts = good_machine();
  facts.huge_pages = "never";
  EXPECT_THAT(check_of(facts, "huge pages").advice, HasSubstr("transparent_hugepage/enabled"));
  facts.huge_pages = "";
  EXPECT_THAT(check_of(facts, "huge pages").found, HasSubstr("no transparent"));
  facts.huge_pages.reset();
  EXPECT_EQ(check_of(facts, "huge pages").health, Health::kUnknown);
}

TEST(HealthChecks, AdviceBeginsWithWhatIsBrokenThenWithWhatBringsMost) {
  HealthFacts facts = machine_with_a_quarter();
  facts.huge_pages = "never";
  facts.rates->disk = 0.5e9;  // 3.2 s of reading: memory for half halves that and more, the disk halves it
  facts.checkpoint.tokenizer_problem = "none";
  std::vector<std::string> subjects;
  for (const HealthCheck& check : most_important_first(check_health(facts)))
    subjects.push_back(check.subject);
  EXPECT_EQ(subjects, (std::vector<std::string>{"tokenizer", "memory", "disk", "huge pages"}));
}

TEST(HealthReport, MarksAreWordsAndColoursAreExtra) {
  HealthFacts facts = good_machine();
  facts.huge_pages = "never";
  const auto checks = check_health(facts);
  const testing::CapturedOutput pipe, terminal(testing::kColourTerminal);
  const std::string plain = describe_health(facts, checks, pipe.output);
  EXPECT_THAT(plain, HasSubstr("\n  better  huge pages"));
  EXPECT_THAT(plain, HasSubstr("It runs."));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(describe_health(facts, checks, terminal.output), HasSubstr("\x1b[33mbetter"));
}

TEST(HealthReport, NothingThatAFileSaysReachesTheTerminalAsAControl) {
  HealthFacts facts = good_machine();
  facts.checkpoint.problem = "no tensor \x1b[2J";
  EXPECT_THAT(describe_health(facts, check_health(facts), Output::none()), Not(HasSubstr("\x1b")));
}

TEST(HealthReport, JsonHoldsVerdictsAdviceAndFigures) {
  HealthFacts facts = good_machine();
  facts.huge_pages = "never";
  facts.limits.open_files = 1024;
  const auto json = nlohmann::json::parse(health_as_json(facts, check_health(facts)));
  EXPECT_EQ(json["runs"], true);
  EXPECT_EQ(json["checks"].size(), 11u);
  EXPECT_EQ(json["advice"][0]["subject"], "huge pages");
  EXPECT_EQ(json["machine"]["open_files_limit"], 1024);
  EXPECT_TRUE(json["machine"]["locked_memory_limit_bytes"].is_null());
  EXPECT_EQ(json["disk_bytes_per_second"], 5e9);
}

}  // namespace
}  // namespace sluice
