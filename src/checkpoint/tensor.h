// What a checkpoint says about one tensor: its name, its type, its shape and where its bytes lie.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/extent.h"

namespace sluice {

// The stored element types that Sluice knows.
enum class DType { kF32, kF16, kBF16, kF8E4M3, kF8E8M0, kI8, kU8, kI16, kI32, kI64 };

// The name that checkpoints use: "F32", "BF16", "F8_E4M3", ...
const char* dtype_name(DType dtype);
// Bytes of one element: 1, 2, 4 or 8.
uint64_t dtype_size_bytes(DType dtype);
// The type of that name; empty for a name that Sluice does not know.
std::optional<DType> dtype_from_name(std::string_view name);

// One tensor of a checkpoint. Row-major, little-endian; extent.size_bytes == elements() *
// dtype_size_bytes(dtype).
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<uint64_t> shape;  // empty for a scalar
  Extent extent;                // where its bytes lie; extent.file counts the checkpoint's files

  // The product of the shape, which the reader has checked to fit in 64 bits.
  uint64_t elements() const;
  bool operator==(const TensorInfo&) const = default;
};

// For messages: "BF16 [64, 256]".
std::string describe(DType dtype, std::span<const uint64_t> shape);
std::string describe_shape(std::span<const uint64_t> shape);  // "[64, 256]"

}  // namespace sluice
