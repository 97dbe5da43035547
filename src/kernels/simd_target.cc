#include "kernels/simd_target.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "hwy/highway.h"
#include "kernels/amx_pairs.h"
#include "kernels/vnni_fixed_point.h"

namespace sluice {
namespace {

// The lowest bit is the best target.
int64_t best_target() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return targets & -targets;
}

std::string_view chosen_cpu() {
  const char* value = std::getenv("SLUICE_CPU");
  return value == nullptr ? "" : value;
}

}  // namespace

const char* simd_target() {
  static const std::string name = std::string(hwy::TargetName(best_target())) + (uses_amx() ? "+AMX" : "");
  return name.c_str();
}

bool uses_amx() {
  static const bool uses = chosen_cpu() != "avx2" && chosen_cpu() != "avx512" && has_amx();
  return uses;
}

bool uses_vnni() {
  static const bool uses = chosen_cpu() != "avx2" && has_vnni();
  return uses;
}

bool fuses_multiply_and_add() {
  return (best_target() & (HWY_AVX2 | HWY_AVX3 | HWY_AVX3_DL | HWY_NEON | HWY_SVE | HWY_SVE2)) != 0;
}

bool apply_cpu_choice() {
  const std::string_view choice = chosen_cpu();
  if (choice == "avx2") {
    hwy::DisableTargets(HWY_AVX3 | HWY_AVX3_DL);
  } else if (!choice.empty() && choice != "avx512") {
    std::fprintf(stderr, "sluice: SLUICE_CPU=%s is ignored: the choices are avx2 and avx512\n",
                 std::string(choice).c_str());
  }
  return true;
}

}  // namespace sluice
