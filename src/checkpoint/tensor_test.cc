#include "checkpoint/tensor.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(DType, NameAndSizeAreThoseOfTheFormat) {
  const std::vector<std::tuple<DType, std::string, uint64_t>> expected = {
      {DType::kF32, "F32", 4},        {DType::kF16, "F16", 2},        {DType::kBF16, "BF16", 2},
      {DType::kF8E4M3, "F8_E4M3", 1}, {DType::kF8E8M0, "F8_E8M0", 1}, {DType::kI8, "I8", 1},
      {DType::kU8, "U8", 1},          {DType::kI16, "I16", 2},        {DType::kI32, "I32", 4},
      {DType::kI64, "I64", 8}};
  for (const auto& [dtype, name, size_bytes] : expected) {
    EXPECT_EQ(dtype_name(dtype), name);
    EXPECT_EQ(dtype_size_bytes(dtype), size_bytes) << name;
    EXPECT_EQ(dtype_from_name(name), dtype) << name;
  }
}

TEST(DType, UnknownNamesHaveNoType) {
  EXPECT_FALSE(dtype_from_name("F8_E5M2"));
  EXPECT_FALSE(dtype_from_name("bf16"));
  EXPECT_FALSE(dtype_from_name(""));
}

TEST(TensorInfo, CountsElements) {
  EXPECT_EQ((TensorInfo{"a", DType::kF32, {3, 5, 7}, {}}.elements()), 105u);
  EXPECT_EQ((TensorInfo{"scalar", DType::kF32, {}, {}}.elements()), 1u);
  EXPECT_EQ((TensorInfo{"empty", DType::kF32, {3, 0}, {}}.elements()), 0u);
}

TEST(Describe, ShowsTypeAndShape) {
  EXPECT_EQ(describe(DType::kBF16, std::vector<uint64_t>{64, 256}), "BF16 [64, 256]");
  EXPECT_EQ(describe(DType::kF8E4M3, std::vector<uint64_t>{}), "F8_E4M3 []");
}

}  // namespace
}  // namespace sluice
