// A weight matrix as it is stored: a view of quantised values and their scales, decoded row by row.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

enum class WeightFormat : uint8_t {
  kF32,
  kBF16,
  kFP8,    // E4M3 values; one E8M0 scale per 128x128 block, ceil(rows/128) x ceil(cols/128) of them
  kMXFP4,  // E2M1 values, two a byte, the low nibble is the even column; one E8M0 scale per 32 columns of a
           // row
};

const char* weight_format_name(WeightFormat format);

inline constexpr uint32_t kFP8BlockSize = 128;   // rows and columns that share a scale
inline constexpr uint32_t kMXFP4BlockSize = 32;  // columns of a row that share a scale

// Bytes of the values and of the scales of a [rows, cols] matrix. MXFP4 needs cols % 32 == 0.
uint64_t weight_values_bytes(WeightFormat format, uint64_t rows, uint64_t cols);
uint64_t weight_scales_bytes(WeightFormat format, uint64_t rows, uint64_t cols);

// [rows, cols], row major. Does not own its bytes, which may have any alignment.
struct WeightMatrix {
  WeightFormat format = WeightFormat::kF32;
  uint32_t rows = 0;
  uint32_t cols = 0;
  const std::byte* values = nullptr;
  const std::byte* scales = nullptr;  // null for kF32 and kBF16
};

// Decodes row `row` into out[cols]: exact in float32, see numerics/codec.h.
void decode_row(const WeightMatrix& matrix, uint32_t row, float* out);

}  // namespace sluice
