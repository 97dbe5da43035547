#include "experts/heat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <array>
#include <cstring>
#include <fstream>
#include <limits>

namespace sluice {
namespace {

using ::testing::HasSubstr;

HeatOwner owner() {
  return {"model of June", 2, 4};
}

void ask(Heat& heat, uint32_t layer, uint32_t expert) {
  const std::array<uint32_t, 1> experts = {layer * 4 + expert};
  heat.on_route(layer, experts);
}

Heat used_heat() {
  Heat heat(owner());
  for (const uint32_t expert : {1u, 1u, 3u}) {
    ask(heat, 0, expert);
    ask(heat, 1, 2);
  }
  return heat;
}

// With a checksum that fits the rest.
std::string resealed(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  const uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
  for (size_t i = 0; i < 8; ++i) bytes += static_cast<char>(sum >> (8 * i) & 0xff);
  return bytes;
}

std::string reason(const std::string& bytes, const HeatOwner& for_whom = owner()) {
  const auto heat = Heat::decode(bytes, for_whom);
  return heat ? "fits" : heat.error().message;
}

class HeatFile : public ::testing::Test {
 protected:
  HeatFile() { std::filesystem::remove_all(folder_); }
  ~HeatFile() override { std::filesystem::remove_all(folder_); }
  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      (std::string("sluice_heat_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST(Heat, TheHottestComeFirstAndWhatWasNeverUsedDoesNotCome) {
  const Heat heat = used_heat();
  EXPECT_EQ(heat.hottest(8), (std::vector<uint32_t>{6, 1, 3}));
  EXPECT_EQ(heat.hottest(2), (std::vector<uint32_t>{6, 1}));
  EXPECT_TRUE(heat.hottest(0).empty());
  EXPECT_TRUE(Heat(owner()).hottest(8).empty());
}

TEST(Heat, OfEqualsTheLowerIndexIsFirst) {
  Heat heat(owner());
  const std::array<uint32_t, 3> experts = {3, 0, 2};
  heat.on_route(0, experts);
  EXPECT_EQ(heat.hottest(2), (std::vector<uint32_t>{0, 2}));
}

TEST(Heat, HalfIsForgottenInAHalfLife) {
  Heat heat(owner());
  ask(heat, 0, 0);
  EXPECT_EQ(heat.of(0), 1.0F);
  for (int token = 0; token < Heat::kHalfLifeTokens; ++token) ask(heat, 0, 1);
  EXPECT_NEAR(heat.of(0), 0.5F, 1e-4F);
  // A constant stream approaches its fixed point.
  EXPECT_GT(heat.of(1), 0.5F * Heat::kHalfLifeTokens);
}

TEST(Heat, LayersOfOneTokenForgetNothing) {
  Heat heat(owner());
  ask(heat, 0, 0);
  ask(heat, 1, 0);
  EXPECT_EQ(heat.of(0), heat.of(4));
  ask(heat, 0, 1);
  EXPECT_LT(heat.of(4), heat.of(1));
}

TEST(Heat, StaysFiniteHoweverLongItRuns) {
  Heat heat({"m", 1, 2});
  const std::array<uint32_t, 1> always = {0};
  // Weights pass the largest double without rescaling: 2^(5e6 / 4096).
  for (int token = 0; token < 5'000'000; ++token) heat.on_route(0, always);
  EXPECT_NEAR(heat.of(0), 1 / (1 - std::exp2(-1 / Heat::kHalfLifeTokens)), 1);
  EXPECT_EQ(heat.of(1), 0.0F);
}

TEST_F(HeatFile, WhatIsSavedIsLoaded) {
  const auto path = folder_ / "deep" / "heat";
  const Heat heat = used_heat();
  ASSERT_TRUE(heat.save(path));
  ASSERT_TRUE(heat.save(path));  // over the first
  const auto again = Heat::load(path, owner());
  ASSERT_TRUE(again) << again.error().message;
  for (uint32_t expert = 0; expert < 8; ++expert) EXPECT_EQ(again->of(expert), heat.of(expert));
  EXPECT_EQ(again->encode(), heat.encode());
  const auto files = std::filesystem::directory_iterator(path.parent_path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1) << "something was left beside it";
}

TEST_F(HeatFile, WhatCannotBeWrittenIsSaidAndLeavesNothing) {
  std::filesystem::create_directories(folder_ / "heat" / "full");  // a folder in the file's place
  const Status status = used_heat().save(folder_ / "heat");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  const auto files = std::filesystem::directory_iterator(folder_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_EQ(used_heat().save("/proc/no/heat").error().code, ErrorCode::kIo);
}

TEST_F(HeatFile, AReasonNamesTheFile) {
  EXPECT_EQ(Heat::load(folder_ / "heat", owner()).error().code, ErrorCode::kNotFound);
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ / "heat") << "nonsense";
  EXPECT_THAT(Heat::load(folder_ / "heat", owner()).error().message, HasSubstr((folder_ / "heat").string()));
}

TEST(HeatDecode, AnotherCheckpointsHeatDoesNotFit) {
  const std::string bytes = used_heat().encode();
  EXPECT_EQ(reason(bytes), "fits");
  EXPECT_THAT(reason(bytes, {"model of July", 2, 4}), HasSubstr("another checkpoint"));
  EXPECT_THAT(reason(bytes, {"model of Jun", 2, 4}), HasSubstr("another checkpoint"));
  EXPECT_THAT(reason(bytes, {"model of June, late", 2, 4}), HasSubstr("another checkpoint"));
}

TEST(HeatDecode, AnotherGeometryDoesNotFit) {
  const std::string bytes = used_heat().encode();
  EXPECT_EQ(reason(bytes, {"model of June", 4, 2}), "found 2 layers of 4 experts, expected 4 of 2");
  EXPECT_THAT(reason(bytes, {"model of June", 2, 5}), HasSubstr("expected 2 of 5"));
}

TEST(HeatDecode, AnotherVersionDoesNotFit) {
  std::string bytes = used_heat().encode();
  bytes[12] = 2;
  EXPECT_EQ(reason(resealed(bytes)), "found version 2, expected 1");
}

TEST(HeatDecode, EveryFlippedBitIsNoticed) {
  const std::string good = used_heat().encode();
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(reason(bytes), "fits") << bit;
  }
}

TEST(HeatDecode, EveryOtherLengthIsNoticed) {
  const std::string good = used_heat().encode();
  for (size_t bytes = 0; bytes < good.size(); ++bytes) EXPECT_NE(reason(good.substr(0, bytes)), "fits");
  EXPECT_NE(reason(good + '\0'), "fits");
  EXPECT_THAT(reason(resealed(good + std::string(4, '\0'))), HasSubstr("36 bytes of counters, expected 32"));
  EXPECT_THAT(reason(resealed(good.substr(0, good.size() - 4))), HasSubstr("bytes of counters"));
}

TEST(HeatDecode, CountersThatNobodyCouldCountDoNotFit) {
  for (const float bad : {-1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::string bytes = used_heat().encode();
    std::memcpy(bytes.data() + bytes.size() - 12, &bad, 4);
    EXPECT_THAT(reason(resealed(bytes)), HasSubstr("found a counter of"));
  }
}

}  // namespace
}  // namespace sluice
