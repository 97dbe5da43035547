// How products of stored weights with activations are computed.
#pragma once

namespace sluice {

// The bits of a result are the same for any number of threads, tokens in a chunk, streaming mode and cache,
// in each. What the two compute differs in the last digits.
enum class Numerics {
  kExact,  // float32 activations, weights decoded to float32
  kFast,   // activations that meet MXFP4 weights are rounded to 16 bits per block of 32; the rest as kExact
};

constexpr const char* numerics_name(Numerics numerics) {
  return numerics == Numerics::kExact ? "exact" : "fast";
}

}  // namespace sluice
