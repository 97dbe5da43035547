#include "base/little_endian.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

TEST(LittleEndian, NumbersAreWrittenLeastSignificantByteFirstAndTakenOffAgain) {
  std::string bytes;
  append_little_endian(bytes, uint32_t{0x81020304});
  append_little_endian(bytes, uint64_t{0xf102030405060708});
  EXPECT_EQ(bytes, "\x04\x03\x02\x81\x08\x07\x06\x05\x04\x03\x02\xf1");
  std::string_view rest = bytes;
  EXPECT_EQ(take_little_endian<uint32_t>(rest), 0x81020304U);
  EXPECT_EQ(rest.size(), sizeof(uint64_t));
  EXPECT_EQ(take_little_endian<uint64_t>(rest), 0xf102030405060708U);
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace sluice
