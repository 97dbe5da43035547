#include "numerics/weight_matrix.h"

#include <array>
#include <cstring>

#include "numerics/codec.h"

namespace sluice {
namespace {

constexpr auto kE4M3Values = [] {
  std::array<float, 256> values{};
  for (size_t code = 0; code < values.size(); ++code)
    values[code] = e4m3_to_float(static_cast<uint8_t>(code));
  return values;
}();

// Both columns of a byte: low nibble first.
constexpr auto kE2M1Pairs = [] {
  std::array<std::array<float, 2>, 256> pairs{};
  for (size_t code = 0; code < pairs.size(); ++code) {
    pairs[code] = {e2m1_to_float(static_cast<uint8_t>(code & 15)),
                   e2m1_to_float(static_cast<uint8_t>(code >> 4))};
  }
  return pairs;
}();

constexpr uint64_t blocks(uint64_t size, uint64_t block) {
  return (size + block - 1) / block;
}

void decode_bf16(const std::byte* values, uint32_t cols, float* out) {
  for (uint32_t c = 0; c < cols; ++c) {
    uint16_t code = 0;
    std::memcpy(&code, values + size_t{2} * c, 2);
    out[c] = bf16_to_float(code);
  }
}

void decode_fp8(const std::byte* values, const std::byte* scales, uint32_t cols, float* out) {
  for (uint32_t begin = 0; begin < cols; begin += kFP8BlockSize) {
    const uint32_t end = begin + kFP8BlockSize < cols ? begin + kFP8BlockSize : cols;
    const float scale = e8m0_to_float(static_cast<uint8_t>(scales[begin / kFP8BlockSize]));
    for (uint32_t c = begin; c < end; ++c) out[c] = kE4M3Values[static_cast<uint8_t>(values[c])] * scale;
  }
}

void decode_mxfp4(const std::byte* values, const std::byte* scales, uint32_t cols, float* out) {
  for (uint32_t begin = 0; begin < cols; begin += kMXFP4BlockSize) {
    const float scale = e8m0_to_float(static_cast<uint8_t>(scales[begin / kMXFP4BlockSize]));
    for (uint32_t c = begin; c < begin + kMXFP4BlockSize; c += 2) {
      const auto& pair = kE2M1Pairs[static_cast<uint8_t>(values[c / 2])];
      out[c] = pair[0] * scale;
      out[c + 1] = pair[1] * scale;
    }
  }
}

}  // namespace

const char* weight_format_name(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return "f32";
    case WeightFormat::kBF16:
      return "bf16";
    case WeightFormat::kFP8:
      return "fp8";
    case WeightFormat::kMXFP4:
      return "mxfp4";
  }
  return "?";
}

uint64_t weight_values_bytes(WeightFormat format, uint64_t rows, uint64_t cols) {
  switch (format) {
    case WeightFormat::kF32:
      return rows * cols * 4;
    case WeightFormat::kBF16:
      return rows * cols * 2;
    case WeightFormat::kFP8:
      return rows * cols;
    case WeightFormat::kMXFP4:
      return rows * cols / 2;
  }
  return 0;
}

uint64_t weight_scales_bytes(WeightFormat format, uint64_t rows, uint64_t cols) {
  switch (format) {
    case WeightFormat::kF32:
    case WeightFormat::kBF16:
      return 0;
    case WeightFormat::kFP8:
      return blocks(rows, kFP8BlockSize) * blocks(cols, kFP8BlockSize);
    case WeightFormat::kMXFP4:
      return rows * (cols / kMXFP4BlockSize);
  }
  return 0;
}

void decode_row(const WeightMatrix& matrix, uint32_t row, float* out) {
  const std::byte* values = matrix.values + weight_values_bytes(matrix.format, row, matrix.cols);
  switch (matrix.format) {
    case WeightFormat::kF32:
      std::memcpy(out, values, size_t{4} * matrix.cols);
      return;
    case WeightFormat::kBF16:
      decode_bf16(values, matrix.cols, out);
      return;
    case WeightFormat::kFP8: {
      const uint64_t scales_per_row = blocks(matrix.cols, kFP8BlockSize);
      decode_fp8(values, matrix.scales + row / kFP8BlockSize * scales_per_row, matrix.cols, out);
      return;
    }
    case WeightFormat::kMXFP4:
      decode_mxfp4(values, matrix.scales + weight_scales_bytes(matrix.format, row, matrix.cols), matrix.cols,
                   out);
      return;
  }
}

}  // namespace sluice
