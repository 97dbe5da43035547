// How products of stored weights with activations are computed, and how a sequence's rows are stored.
#pragma once

#include <cstdint>

namespace sluice {

// The bits of a result are the same for any number of threads, tokens in a chunk, streaming mode and cache,
// in each. What the two compute differs in the last digits.
enum class Numerics {
  kExact,  // float32 activations, weights decoded to float32
  // Activations that meet MXFP4 weights are rounded to 16 bits per block of 32, the rest is as kExact; on
  // machines with AMX those that meet MXFP4 and FP8 weights are rounded to two bf16 each.
  kFast,
};

constexpr const char* numerics_name(Numerics numerics) {
  return numerics == Numerics::kExact ? "exact" : "fast";
}

// Elements of the rows that a sequence keeps: window, compressed rows, the indexer's keys. A row is rounded
// once, to the nearest, when it is computed; with each, bits are the same as with any number of threads and
// tokens in a chunk.
enum class RowFormat : uint8_t {
  kF32,
  kF16,   // 11 bits of precision. Rows are normalised: they stay far from the format's range
  kBF16,  // 8 bits
};

constexpr const char* row_format_name(RowFormat format) {
  return format == RowFormat::kF32 ? "f32" : format == RowFormat::kF16 ? "f16" : "bf16";
}
constexpr uint32_t element_bytes(RowFormat format) {
  return format == RowFormat::kF32 ? 4 : 2;
}

}  // namespace sluice
