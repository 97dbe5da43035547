#include "checkpoint/tensor.h"

#include <fmt/format.h>

#include <array>

namespace sluice {
namespace {

struct DTypeFacts {
  DType dtype;
  const char* name;
  uint64_t size_bytes;
};

// In the order of the enumeration.
constexpr std::array<DTypeFacts, 10> kDTypes = {{
    {DType::kF32, "F32", 4},
    {DType::kF16, "F16", 2},
    {DType::kBF16, "BF16", 2},
    {DType::kF8E4M3, "F8_E4M3", 1},
    {DType::kF8E8M0, "F8_E8M0", 1},
    {DType::kI8, "I8", 1},
    {DType::kU8, "U8", 1},
    {DType::kI16, "I16", 2},
    {DType::kI32, "I32", 4},
    {DType::kI64, "I64", 8},
}};

constexpr bool in_order() {
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    if (static_cast<size_t>(kDTypes[i].dtype) != i) return false;
  }
  return true;
}
static_assert(in_order());

const DTypeFacts& facts(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)];
}

}  // namespace

const char* dtype_name(DType dtype) {
  return facts(dtype).name;
}

uint64_t dtype_size_bytes(DType dtype) {
  return facts(dtype).size_bytes;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeFacts& known : kDTypes) {
    if (name == known.name) return known.dtype;
  }
  return std::nullopt;
}

uint64_t TensorInfo::elements() const {
  uint64_t product = 1;
  for (const uint64_t extent_of_axis : shape) product *= extent_of_axis;
  return product;
}

std::string describe_shape(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

std::string describe(DType dtype, std::span<const uint64_t> shape) {
  return fmt::format("{} {}", dtype_name(dtype), describe_shape(shape));
}

}  // namespace sluice
