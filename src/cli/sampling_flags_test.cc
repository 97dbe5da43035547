#include "cli/sampling_flags.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(SamplingFlags, ChangeOnlyWhatWasSaid) {
  const SamplingOptions defaults{.temperature = 0.6, .top_k = 40, .top_p = 0.95, .min_p = 0.1, .seed = 9};
  SamplingFlags flags;
  flags.top_p = 0.5;
  flags.seed = 3;
  const SamplingOptions sampling = apply_flags(flags, defaults);
  EXPECT_EQ(sampling.temperature, 0.6);
  EXPECT_EQ(sampling.top_k, 40u);
  EXPECT_EQ(sampling.top_p, 0.5);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.seed, 3u);
}

TEST(SamplingFlags, GreedyIsTemperatureZero) {
  SamplingFlags flags;
  flags.greedy = true;
  EXPECT_EQ(apply_flags(flags, {}).temperature, 0);
}

TEST(SamplingFlags, DrawASeedThatEveryJsonReaderTakes) {
  const uint64_t one = apply_flags({}, {}).seed;
  const uint64_t other = apply_flags({}, {}).seed;
  EXPECT_NE(one, other);
  EXPECT_LT(one, uint64_t{1} << 53);
}

TEST(SamplingFlags, AreCheckedBeforeAModelIsLoaded) {
  SamplingFlags flags;
  flags.top_p = 1.5;
  ASSERT_FALSE(check_flags(flags));
  EXPECT_EQ(check_flags(flags).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(check_flags({}));
}

}  // namespace
}  // namespace sluice
