#include "kernels/simd_target.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "hwy/highway.h"

namespace sluice {
namespace {

// The lowest bit is the best target.
int64_t best_target() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets & -targets;
}

}  // namespace

const char* simd_target() {
  return hwy::TargetName(best_target());
}

bool fuses_multiply_and_add() {
  return (best_target() & (HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON | HWY_SVE | HWY_SVE2)) != 0;
}

bool apply_cpu_choice() {
  const char* value = std::getenv("SLUICE_CPU");
  if (value == nullptr || std::string_view(value).empty()) return true;
  if (std::string_view(value) == "avx2") {
    hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  } else {
    std::fprintf(stderr, "sluice: SLUICE_CPU=%s is ignored: the only choice is avx2\n", value);
  }
  return true;
}

}  // namespace sluice
