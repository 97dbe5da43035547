// Which of the machine's vector and tile instructions kernels use. The environment variable SLUICE_CPU leaves
// out what came later than its value, so that one machine can show what others do: avx2, or avx512, which is
// everything but AMX. It is read once, before main.
#pragma once

namespace sluice {

// Of the instructions in use, as Highway names them: "AVX2", "AVX3" (AVX-512), "NEON"; with "+AMX" behind
// where tiles are used too.
const char* simd_target();

// Whether fast numerics multiply tiles (kernels/amx_pairs.h).
bool uses_amx();

// Whether fast numerics multiply by AVX-512 VNNI (kernels/vnni_fixed_point.h).
bool uses_vnni();

// Whether they multiply and add with one rounding. All that do agree to the bit in every product.
bool fuses_multiply_and_add();

// Applies SLUICE_CPU; an unknown value is said on stderr and ignored. Returns true. For the kernels that
// dispatch.
bool apply_cpu_choice();

}  // namespace sluice
