// What parse_config makes of rotary embedding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/config_testing.h"

namespace sluice {
namespace {

using nlohmann::json;
using sluice::testing::parse;
using sluice::testing::refusal;
using sluice::testing::refusal_code;
using sluice::testing::tiny_config;
using sluice::testing::tiny_config_of_transformers;
using ::testing::HasSubstr;

TEST(ConfigRope, ReadsTheReleasedSpelling) {
  json config = tiny_config();
  config["rope_theta"] = 5000;
  config["compress_rope_theta"] = 80000.5;
  config["rope_scaling"] = {{"type", "yarn"},
                            {"factor", 8.5},
                            {"original_max_position_embeddings", 4096},
                            {"beta_fast", 24},
                            {"beta_slow", 2}};
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->rope_theta, 5000);
  EXPECT_EQ(parsed->compress_rope_theta, 80000.5);
  EXPECT_EQ(parsed->yarn, (Yarn{8.5, 4096, 24, 2}));
}

TEST(ConfigRope, ReadsTheNestedSpelling) {
  json config = tiny_config_of_transformers();
  json& rope = config["rope_parameters"];
  rope["main"]["rope_theta"] = 5000;
  rope["compress"]["rope_theta"] = 80000.5;
  rope["compress"]["factor"] = 8.5;
  rope["compress"]["original_max_position_embeddings"] = 4096;
  rope["compress"].erase("beta_fast");
  rope["compress"].erase("beta_slow");
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->rope_theta, 5000);
  EXPECT_EQ(parsed->compress_rope_theta, 80000.5);
  EXPECT_EQ(parsed->yarn, (Yarn{8.5, 4096, 32, 1}));
}

TEST(ConfigRope, ReadsTheFlatSpellingAsTheCompressedLayersScaling) {
  json config = tiny_config();
  config["rope_parameters"] = config["rope_scaling"];
  config["rope_parameters"]["rope_type"] = "yarn";
  config["rope_parameters"]["rope_theta"] = 10000;
  config.erase("rope_scaling");
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, *parse(tiny_config()));
}

TEST(ConfigRope, NoScalingMeansNone) {
  json config = tiny_config();
  config["rope_scaling"] = nullptr;
  EXPECT_FALSE(parse(config)->yarn);
  config["rope_scaling"] = {{"rope_type", "default"}};
  EXPECT_FALSE(parse(config)->yarn);
  config = tiny_config_of_transformers();
  config["rope_parameters"]["compress"] = {{"rope_type", "default"}, {"rope_theta", 160000}};
  EXPECT_FALSE(parse(config)->yarn);
}

TEST(ConfigRope, RefusesSpellingsThatDisagree) {
  json config = tiny_config_of_transformers();
  config["rope_scaling"] = tiny_config()["rope_scaling"];
  EXPECT_EQ(refusal(config), "");
  config["rope_scaling"]["factor"] = 4;
  EXPECT_THAT(refusal(config), HasSubstr("rope_parameters scales otherwise than rope_scaling"));
  config = tiny_config_of_transformers();
  config["compress_rope_theta"] = 150000;
  EXPECT_THAT(refusal(config),
              HasSubstr("rope_parameters.compress.rope_theta is 160000 but compress_rope_theta is 150000"));
  config = tiny_config_of_transformers();
  config["rope_theta"] = 20000;
  EXPECT_THAT(refusal(config), HasSubstr("rope_parameters.main.rope_theta is 10000 but rope_theta is 20000"));
  config = tiny_config_of_transformers();
  config["qk_rope_head_dim"] = 32;
  EXPECT_THAT(refusal(config),
              HasSubstr("partial_rotary_factor of head_dim is 16 but qk_rope_head_dim is 32"));
}

TEST(ConfigRope, RefusesScalingsThatAreIncompleteOrUnknown) {
  const auto refusal_with_scaling = [](const json& scaling) {
    json config = tiny_config();
    config["rope_scaling"] = scaling;
    return refusal(config);
  };
  EXPECT_THAT(refusal_with_scaling({{"type", "yarn"}, {"original_max_position_embeddings", 64}}),
              HasSubstr("rope_scaling.factor is missing"));
  EXPECT_THAT(refusal_with_scaling({{"type", "yarn"}, {"factor", 16}}),
              HasSubstr("rope_scaling.original_max_position_embeddings is missing"));
  EXPECT_THAT(refusal_with_scaling({{"factor", 16}}), HasSubstr("rope_scaling.rope_type is missing"));
  EXPECT_THAT(refusal_with_scaling({{"type", "linear"}, {"factor", 16}}),
              HasSubstr("rope_scaling.rope_type is \"linear\""));
  EXPECT_THAT(refusal_with_scaling({{"type", "yarn"}, {"rope_type", "default"}}),
              HasSubstr("rope_scaling.type is yarn but rope_scaling.rope_type is default"));
  EXPECT_THAT(refusal_with_scaling("yarn"), HasSubstr("rope_scaling is \"yarn\"; an object"));
}

TEST(ConfigRope, RefusesScalingsOutOfRange) {
  const auto refusal_with = [](const char* key, const json& value) {
    json config = tiny_config();
    config["rope_scaling"][key] = value;
    return refusal(config);
  };
  EXPECT_THAT(refusal_with("factor", 0.5), HasSubstr("rope_scaling.factor is 0.5; 1 or more"));
  EXPECT_THAT(refusal_with("factor", -1), HasSubstr("rope_scaling.factor is -1"));
  EXPECT_THAT(refusal_with("original_max_position_embeddings", 0),
              HasSubstr("rope_scaling.original_max_position"));
  EXPECT_THAT(refusal_with("beta_fast", 0.25),
              HasSubstr("rope_scaling.beta_fast is 0.25, less than beta_slow"));
  EXPECT_THAT(refusal_with("beta_slow", 0), HasSubstr("rope_scaling.beta_slow is 0"));
  EXPECT_THAT(refusal_with("attention_factor", 1.277), HasSubstr("rope_scaling.attention_factor is 1.277"));
  EXPECT_THAT(refusal_with("truncate", false), HasSubstr("rope_scaling.truncate is false"));
}

TEST(ConfigRope, RefusesNestedFormsItCannotRun) {
  json config = tiny_config_of_transformers();
  config["rope_parameters"].erase("main");
  EXPECT_THAT(refusal(config), HasSubstr("rope_parameters.main is missing"));
  config = tiny_config_of_transformers();
  config["rope_parameters"].erase("compress");
  EXPECT_THAT(refusal(config), HasSubstr("rope_parameters.compress is missing"));
  config = tiny_config_of_transformers();
  config["rope_parameters"]["main"] = config["rope_parameters"]["compress"];
  config["rope_parameters"]["main"]["rope_theta"] = 10000;
  EXPECT_THAT(refusal(config), HasSubstr("rope_parameters.main.rope_type is \"yarn\""));
  EXPECT_EQ(refusal_code(config), ErrorCode::kUnsupported);
}

TEST(ConfigRope, TurnsAnEvenNumberOfChannelsWithinTheHead) {
  json config = tiny_config();
  config["qk_rope_head_dim"] = 15;
  EXPECT_THAT(refusal(config), HasSubstr("qk_rope_head_dim is 15; an even number"));
  config["qk_rope_head_dim"] = 66;
  EXPECT_THAT(refusal(config), HasSubstr("qk_rope_head_dim is 66; a whole number from 1 to 64"));
}

TEST(ConfigRope, TakesTheChannelsFromTheShareOfTheHead) {
  json config = tiny_config();
  config.erase("qk_rope_head_dim");
  config["head_dim"] = 48;
  config["partial_rotary_factor"] = 16.0 / 48.0;
  EXPECT_EQ(parse(config)->qk_rope_head_dim, 16u);
  config["partial_rotary_factor"] = 0.3;
  EXPECT_THAT(refusal(config), HasSubstr("partial_rotary_factor is 0.3: 14.3"));
  config["partial_rotary_factor"] = 1.5;
  EXPECT_THAT(refusal(config), HasSubstr("partial_rotary_factor is 1.5"));
  config["partial_rotary_factor"] = 1e-9;
  EXPECT_THAT(refusal(config), HasSubstr("qk_rope_head_dim is 0; an even number"));
}

}  // namespace
}  // namespace sluice
