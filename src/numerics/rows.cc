#include "numerics/rows.h"

#include <cstdint>
#include <cstring>

#include "numerics/codec.h"

namespace sluice {
namespace {

// Element i is written at or before what was read last: in place is fine.
template <class Encode>
void encode_halves(std::span<const float> values, std::byte* row, const Encode& encode) {
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t code = encode(values[i]);
    std::memcpy(row + i * sizeof(code), &code, sizeof(code));
  }
}

template <class Decode>
void decode_halves(const std::byte* row, std::span<float> values, const Decode& decode) {
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t code = 0;
    std::memcpy(&code, row + i * sizeof(code), sizeof(code));
    values[i] = decode(code);
  }
}

}  // namespace

void encode_row(RowFormat format, std::span<const float> values, std::byte* row) {
  switch (format) {
    case RowFormat::kF32:
      std::memmove(row, values.data(), values.size_bytes());
      return;
    case RowFormat::kF16:
      return encode_halves(values, row, float_to_f16);
    case RowFormat::kBF16:
      return encode_halves(values, row, float_to_bf16);
  }
}

void decode_row(RowFormat format, const std::byte* row, std::span<float> values) {
  switch (format) {
    case RowFormat::kF32:
      std::memcpy(values.data(), row, values.size_bytes());
      return;
    case RowFormat::kF16:
      return decode_halves(row, values, f16_to_float);
    case RowFormat::kBF16:
      return decode_halves(row, values, bf16_to_float);
  }
}

}  // namespace sluice
