#include "model/workspace.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

TEST(Workspace, ScopesNestAndGiveBackExactlyWhatWasTakenInThem) {
  auto workspace = Workspace::create(4096);
  ASSERT_TRUE(workspace.has_value());
  const float* outer = workspace->floats(10);
  const float* first = nullptr;
  {
    const Workspace::Scope scope(*workspace);
    first = workspace->floats(3);
    {
      const Workspace::Scope inner(*workspace);
      EXPECT_GT(workspace->floats(100), first);
    }
    const uint32_t* second = workspace->indices(1);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(second), reinterpret_cast<uintptr_t>(first) + 64);
  }
  EXPECT_GE(first, outer + 10);
  EXPECT_EQ(workspace->floats(1), first);
}

TEST(Workspace, ArraysAreAlignedAndApart) {
  auto workspace = Workspace::create(1 << 20);
  ASSERT_TRUE(workspace.has_value());
  uintptr_t end = 0;
  for (size_t count = 0; count < 40; ++count) {
    const auto start = reinterpret_cast<uintptr_t>(workspace->floats(count));
    EXPECT_EQ(start % 64, 0U);
    EXPECT_GE(start, end);
    end = start + count * sizeof(float);
  }
}

TEST(Workspace, PeakIsTheMostThatWasTakenAtOnce) {
  auto workspace = Workspace::create(1 << 20);
  ASSERT_TRUE(workspace.has_value());
  for (int round = 0; round < 3; ++round) {
    const Workspace::Scope scope(*workspace);
    workspace->floats(1600);
  }
  workspace->floats(16);
  EXPECT_EQ(workspace->peak_bytes(), 6400U);
}

TEST(WorkspaceDeathTest, TakingMoreThanPlannedStopsTheProcessInsteadOfOverwriting) {
  auto workspace = Workspace::create(4096);
  ASSERT_TRUE(workspace.has_value());
  workspace->floats(1024);
  EXPECT_DEATH(workspace->floats(1), "planned too small");
}

}  // namespace
}  // namespace sluice
