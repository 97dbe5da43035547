#include "base/machine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace sluice {
namespace {

// A file tree that stands in for "/": what the kernel shows of a machine.
class FakeRoot : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice_root_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  std::filesystem::path root_;
};

TEST_F(FakeRoot, WithoutGroupsTheKernelsEstimateCounts) {
  write("proc/meminfo", "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    600 kB\n");
  EXPECT_EQ(available_memory_bytes(root_), 600U * 1024);
}

TEST_F(FakeRoot, TheTightestGroupOnTheWayUpCounts) {
  write("proc/meminfo", "MemAvailable:  999999 kB\n");
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/memory.max", "500000\n");
  write("sys/fs/cgroup/outer/memory.current", "200000\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  write("sys/fs/cgroup/outer/inner/memory.current", "100000\n");
  EXPECT_EQ(available_memory_bytes(root_), 300000U);
}

TEST_F(FakeRoot, PageCacheInAGroupIsNotHeldAgainstIt) {
  write("proc/meminfo", "MemAvailable:  999999 kB\n");
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "500000\n");
  write("sys/fs/cgroup/memory.current", "450000\n");
  write("sys/fs/cgroup/memory.stat", "anon 50000\ninactive_file 100000\nactive_file 300000\n");
  EXPECT_EQ(available_memory_bytes(root_), 450000U);
}

TEST_F(FakeRoot, OldHierarchiesCountToo) {
  write("proc/meminfo", "MemAvailable:  999999 kB\n");
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/box\n0::/\n");
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "70000\n");
  write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "25000\n");
  write("sys/fs/cgroup/memory/box/memory.stat",
        "cache 9\ntotal_inactive_file 2000\ntotal_active_file 3000\n");
  EXPECT_EQ(available_memory_bytes(root_), 50000U);
}

TEST_F(FakeRoot, AnOverdrawnGroupLeavesNothing) {
  write("proc/meminfo", "MemAvailable:  999999 kB\n");
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/memory.max", "100\n");
  write("sys/fs/cgroup/memory.current", "200\n");
  EXPECT_EQ(available_memory_bytes(root_), 0U);
}

TEST_F(FakeRoot, ALimitIsToldApartFromWhatIsLeftOfIt) {
  write("proc/meminfo", "MemTotal: 999999 kB\nMemAvailable:  888888 kB\n");
  write("proc/self/cgroup", "4:memory:/box\n0::/\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "20000\n");
  EXPECT_EQ(machine_memory(root_).group_limit_bytes, 0U);  // how v1 says that there is none
  EXPECT_EQ(machine_memory(root_).total_bytes, 999999U * 1024);
  EXPECT_EQ(machine_memory(root_).available_bytes, 888888U * 1024);
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "70000\n");
  write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "20000\n");
  EXPECT_EQ(machine_memory(root_).group_limit_bytes, 70000U);
  EXPECT_EQ(machine_memory(root_).available_bytes, 50000U);
}

TEST_F(FakeRoot, AMachineThatSaysNothingIsUnknown) {
  EXPECT_EQ(available_memory_bytes(root_), 0U);
}

TEST(Machine, ThisOneHasACoreAndSomeMemory) {
  EXPECT_GE(usable_cores(), 1U);
  EXPECT_GT(available_memory_bytes(), 1U << 20);
}

}  // namespace
}  // namespace sluice
