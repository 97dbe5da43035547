#include "kernels/simd_target.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace sluice {
namespace {

TEST(SIMDTarget, LeavesOutWhatTheEnvironmentForbids) {
  const char* choice = std::getenv("SLUICE_CPU");
  if (choice == nullptr || std::string(choice) != "avx2") GTEST_SKIP() << "for a run with SLUICE_CPU=avx2";
  EXPECT_NE(std::string(simd_target()), "AVX3");
  EXPECT_NE(std::string(simd_target()), "AVX3_DL");
}

}  // namespace
}  // namespace sluice
