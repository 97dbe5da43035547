// Which of the machine's vector instructions kernels use. The environment variable SLUICE_CPU=avx2 leaves out
// what came after AVX2, so that one machine can show what others do; it is read once, before main.
#pragma once

namespace sluice {

// Of the instructions in use, as Highway names them: "AVX2", "AVX3" (AVX-512), "NEON".
const char* simd_target();

// Whether they multiply and add with one rounding. All that do agree to the bit in every product.
bool fuses_multiply_and_add();

// Applies SLUICE_CPU; an unknown value is said on stderr and ignored. Returns true. For the kernels that
// dispatch.
bool apply_cpu_choice();

}  // namespace sluice
