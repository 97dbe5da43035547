#include "checkpoint/write_config.h"

#include <gtest/gtest.h>

#include "checkpoint/safetensors_testing.h"

namespace sluice {
namespace {

TEST(ConfigJson, IsReadBackAsItWas) {
  auto config =
      parse_config(testing::read_whole(SLUICE_SOURCE_DIR "/models/tiny-v4/config.json"), "config.json");
  ASSERT_TRUE(config.has_value());
  const auto again = parse_config(config_json(*config, "fp4"), "written");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, *config);
  config->eos_token_ids = {1, 7};
  config->yarn.reset();
  EXPECT_EQ(parse_config(config_json(*config, "fp4"), "written").value(), *config);
}

}  // namespace
}  // namespace sluice
