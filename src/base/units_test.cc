#include "base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sluice {
namespace {

using testing::HasSubstr;

TEST(FormatBytes, WritesThreeSignificantDigitsInDecimalUnits) {
  const std::vector<std::pair<uint64_t, std::string>> cases = {
      {0, "0 B"},
      {12, "12 B"},
      {999, "999 B"},
      {1000, "1.00 KB"},
      {9994, "9.99 KB"},
      {9995, "10.0 KB"},
      {99949, "99.9 KB"},
      {99950, "100 KB"},
      {817'000, "817 KB"},
      {999'499, "999 KB"},
      {999'500, "1.00 MB"},
      {3'450'000'000, "3.45 GB"},
      {2'000'000'000'000, "2.00 TB"},
      {1'234'567'000'000'000, "1235 TB"},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(format_bytes(bytes), text);
}

TEST(ParseBytes, ReadsEveryUnitInEitherCaseWithOrWithoutASpace) {
  const std::vector<std::pair<std::string, uint64_t>> cases = {
      {"0", 0},
      {"512", 512},
      {"512b", 512},
      {"64K", 64'000},
      {"64kb", 64'000},
      {"64KiB", uint64_t{64} << 10},
      {"64M", 64'000'000},
      {"512mIb", uint64_t{512} << 20},
      {"8G", 8'000'000'000},
      {"2 GB", 2'000'000'000},
      {"2Gi", uint64_t{2} << 30},
      {"3T", 3'000'000'000'000},
      {" 3 TiB ", uint64_t{3} << 40},
      {"1.5GiB", uint64_t{3} << 29},
      {"1.5GB", 1'500'000'000},
      {"0.25k", 250},
      {"1.0009K", 1001},
  };
  for (const auto& [text, bytes] : cases) {
    const auto parsed = parse_bytes(text);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseBytes, IsExactForWholeNumbersUpToTheLimit) {
  EXPECT_EQ(parse_bytes("9007199254740993").value_or(0), 9007199254740993U);  // 2^53 + 1: no double holds it
  EXPECT_EQ(parse_bytes("9223372036854775807").value_or(0), 9223372036854775807U);
  EXPECT_FALSE(parse_bytes("9223372036854775808").has_value());
}

TEST(ParseBytes, ReadsBackWhatFormatBytesWrites) {
  for (uint64_t bytes = 1; bytes < (uint64_t{1} << 50); bytes = bytes * 7 / 3 + 1) {
    const auto parsed = parse_bytes(format_bytes(bytes));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    EXPECT_NEAR(static_cast<double>(*parsed), static_cast<double>(bytes),
                0.0051 * static_cast<double>(bytes));
  }
}

TEST(ParseBytes, RefusesAndQuotesEverythingElse) {
  const std::vector<std::string> malformed = {"",
                                              " ",
                                              "G",
                                              "GiB",
                                              "b",
                                              "-1",
                                              "+1",
                                              "-5G",
                                              "1 2G",
                                              "5 1",
                                              "1.",
                                              "1.G",
                                              ".5G",
                                              ".",
                                              "1..5G",
                                              "1.5.5G",
                                              "1.5",
                                              "1.5b",
                                              "1e3",
                                              "1e3G",
                                              "0x10",
                                              "1,5G",
                                              "1Q",
                                              "1ib",
                                              "1i",
                                              "1bb",
                                              "1KK",
                                              "1Kbi",
                                              "1KiBs",
                                              "1\tG",
                                              "1G\n",
                                              "nan",
                                              "inf",
                                              "9223372T900",
                                              "8388608TiB",
                                              "18446744.99T",
                                              "17179869184.5G",
                                              "99999999999999999999",
                                              std::string(400, '9'),
                                              std::string("5\0G", 3)};
  for (const std::string& text : malformed) {
    const auto parsed = parse_bytes(text);
    ASSERT_FALSE(parsed.has_value()) << '"' << text << "\" became " << *parsed;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("\"" + text + "\""));
  }
}

}  // namespace
}  // namespace sluice
