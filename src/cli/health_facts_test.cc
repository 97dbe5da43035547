#include "cli/health_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HealthFactsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice_health_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  // A shard of one tensor of two bytes, with `more` behind it.
  static std::string shard(const std::string& more = "") {
    const std::string header = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
    return std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "xy" + more;
  }

  std::filesystem::path root_;
};

TEST_F(HealthFactsTest, FeaturesAreThoseThatMatterOnBothKindsOfProcessor) {
  write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx2 sse avx512f\nvmx flags\t: amx_tile\n");
  EXPECT_THAT(processor_features(root_), ElementsAre("avx2", "avx512f"));
  write("proc/cpuinfo", "Features\t: fp asimd i8mm\n");
  EXPECT_THAT(processor_features(root_), ElementsAre("asimd", "i8mm"));
  EXPECT_THAT(processor_features(root_ / "nowhere"), IsEmpty());
}

TEST_F(HealthFactsTest, TheModeOfHugePagesIsTheOneInBrackets) {
  write("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_EQ(huge_page_mode(root_), "never");
  EXPECT_EQ(huge_page_mode(root_ / "nowhere"), std::nullopt) << "a /sys that cannot be read says nothing";
  std::filesystem::remove_all(root_ / "sys/kernel/mm/transparent_hugepage");
  EXPECT_EQ(huge_page_mode(root_), "");
}

TEST_F(HealthFactsTest, OneCapabilityLiftsTheLimitOnLockedMemory) {
  write("proc/self/status", "Name:\tsluice\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000004000\n");
  EXPECT_TRUE(may_lock_any_amount(root_));
  write("proc/self/status", "CapEff:\tffffffffffffbfff\n");
  EXPECT_FALSE(may_lock_any_amount(root_));
  EXPECT_FALSE(may_lock_any_amount(root_ / "nowhere"));
}

TEST_F(HealthFactsTest, EveryShardOfTheIndexIsLookedAt) {
  write("model.safetensors.index.json",
        R"({"weight_map": {"a": "a.safetensors", "b": "b.safetensors", "c": "c.safetensors",)"
        R"( "d": "d.safetensors", "e": "e.safetensors"}})");
  write("a.safetensors", shard());
  write("b.safetensors", shard().substr(0, shard().size() - 1));
  write("d.safetensors", shard("zzz"));
  std::filesystem::create_directory(root_ / "e.safetensors");
  CheckpointFacts facts;
  check_shards(root_, facts);
  EXPECT_EQ(facts.files, 5u);
  EXPECT_THAT(facts.damaged_shards,
              ElementsAre(HasSubstr("b.safetensors"), "c.safetensors: missing", "e.safetensors: not a file"));
  EXPECT_THAT(facts.oversized_shards, ElementsAre(HasSubstr("d.safetensors: it has 66 bytes, 3 more")));
}

TEST_F(HealthFactsTest, AFolderThatIsNotThereIsAFactAndNoError) {
  const auto facts = find_health_facts(root_ / "nowhere", ProbeOptions());
  ASSERT_TRUE(facts.has_value());
  EXPECT_THAT(facts->checkpoint.problem, HasSubstr("nowhere: no such folder"));
  EXPECT_GE(facts->processor.cores, 1u);
  EXPECT_GT(facts->memory.total_bytes, 0u);
}

}  // namespace
}  // namespace sluice
