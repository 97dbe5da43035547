// What parse_config makes of the layers' kinds.
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
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kCsa = "compressed_sparse_attention";
const std::string kHca = "heavily_compressed_attention";

TEST(ConfigSchedule, BothSpellingsGiveTheSameModel) {
  const auto released = parse(tiny_config());
  const auto transformers = parse(tiny_config_of_transformers());
  ASSERT_TRUE(released) << released.error().message;
  ASSERT_TRUE(transformers) << transformers.error().message;
  EXPECT_EQ(*released, *transformers);
}

TEST(ConfigSchedule, BothSpellingsMayStandInOneFile) {
  json config = tiny_config();
  config.update(tiny_config_of_transformers());
  const auto both = parse(config);
  ASSERT_TRUE(both) << both.error().message;
  EXPECT_EQ(*both, *parse(tiny_config()));
}

TEST(ConfigSchedule, RefusesSpellingsThatDisagree) {
  json config = tiny_config();
  config.update(tiny_config_of_transformers());
  config["layer_types"][3] = kCsa;
  EXPECT_THAT(refusal(config), HasSubstr("layer_types[3] means ratio 4 but compress_ratios[3] is 128"));

  config = tiny_config();
  config.update(tiny_config_of_transformers());
  config["num_hash_layers"] = 2;
  EXPECT_THAT(refusal(config), HasSubstr("hash_moe in mlp_layer_types is 3 but num_hash_layers is 2"));

  config = tiny_config();
  config["num_local_experts"] = 32;
  EXPECT_THAT(refusal(config), HasSubstr("num_local_experts is 32 but n_routed_experts is 64"));
}

TEST(ConfigSchedule, MtpLayersMayBeLeftOutOfTheList) {
  json config = tiny_config();
  config["compress_ratios"].erase(8);
  ASSERT_EQ(refusal(config), "");
  EXPECT_EQ(*parse(config), *parse(tiny_config()));
}

TEST(ConfigSchedule, MtpLayersKeepTheRatiosTheyAreGiven) {
  json config = tiny_config();
  config["num_nextn_predict_layers"] = 2;
  config["compress_ratios"] = {0, 0, 4, 128, 4, 128, 4, 128, 4, 128};
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_THAT(parsed->compress_ratios, ElementsAre(0, 0, 4, 128, 4, 128, 4, 128));
  EXPECT_THAT(parsed->mtp_compress_ratios, ElementsAre(4, 128));
}

TEST(ConfigSchedule, AModelWithoutMtpHasNoMtpRatios) {
  json config = tiny_config();
  config["num_nextn_predict_layers"] = 0;
  config["compress_ratios"].erase(8);
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_THAT(parsed->mtp_compress_ratios, IsEmpty());
}

TEST(ConfigSchedule, RefusesListsOfTheWrongLength) {
  json config = tiny_config();
  config["compress_ratios"] = {0, 0, 4};
  EXPECT_THAT(refusal(config),
              AllOf(HasSubstr("compress_ratios has 3 entries"), HasSubstr("8 or 9 were expected")));
  config["compress_ratios"] = json::array();
  EXPECT_THAT(refusal(config), HasSubstr("compress_ratios has 0 entries"));
  config = tiny_config_of_transformers();
  config["layer_types"].erase(0);
  EXPECT_THAT(refusal(config), HasSubstr("layer_types has 7 entries"));
  config = tiny_config_of_transformers();
  config["mlp_layer_types"].push_back("moe");
  config["mlp_layer_types"].push_back("moe");
  EXPECT_THAT(refusal(config), HasSubstr("mlp_layer_types has 10 entries"));
}

TEST(ConfigSchedule, RefusesKindsOfLayersItDoesNotKnow) {
  json config = tiny_config();
  config["compress_ratios"][3] = 64;
  EXPECT_THAT(refusal(config), HasSubstr("compress_ratios[3] is 64; 0, 4 or 128 was expected"));
  EXPECT_EQ(refusal_code(config), ErrorCode::kUnsupported);
  config = tiny_config();
  config["compress_ratios"][2] = "4";
  EXPECT_THAT(refusal(config), HasSubstr("compress_ratios[2] is \"4\""));
  config = tiny_config_of_transformers();
  config["layer_types"][5] = "full_attention";
  EXPECT_THAT(refusal(config), HasSubstr("layer_types[5] is \"full_attention\""));
  config = tiny_config_of_transformers();
  config["layer_types"][5] = 4;
  EXPECT_THAT(refusal(config), HasSubstr("layer_types[5] is 4; a string was expected"));
  config = tiny_config_of_transformers();
  config["mlp_layer_types"][5] = "dense";
  EXPECT_THAT(refusal(config), HasSubstr("mlp_layer_types[5] is \"dense\""));
}

TEST(ConfigSchedule, TakesTheHcaRateFromTheFile) {
  json config = tiny_config_of_transformers();
  config["compress_rates"][kHca] = 32;
  EXPECT_THAT(parse(config)->compress_ratios, ElementsAre(0, 0, 4, 32, 4, 32, 4, 32));
  config.erase("compress_rates");
  EXPECT_THAT(parse(config)->compress_ratios, ElementsAre(0, 0, 4, 128, 4, 128, 4, 128));
  config["compress_rate_hca"] = 16;
  EXPECT_THAT(parse(config)->compress_ratios, ElementsAre(0, 0, 4, 16, 4, 16, 4, 16));
  config = tiny_config();
  config["compress_rates"] = {{kHca, 8}};
  config["compress_ratios"] = {0, 0, 4, 8, 4, 8, 4, 8, 0};
  EXPECT_THAT(parse(config)->compress_ratios, ElementsAre(0, 0, 4, 8, 4, 8, 4, 8));
}

TEST(ConfigSchedule, RefusesRatesThatHaveNoForm) {
  json config = tiny_config_of_transformers();
  config["compress_rates"][kCsa] = 8;
  EXPECT_THAT(refusal(config),
              HasSubstr("gives compressed_sparse_attention the rate 8; only 4 is supported"));
  config = tiny_config_of_transformers();
  config["compress_rates"][kHca] = 4;
  EXPECT_THAT(refusal(config), HasSubstr("gives heavily_compressed_attention the rate 4"));
  config["compress_rates"][kHca] = 1;
  EXPECT_THAT(refusal(config), HasSubstr("compress_rates.heavily_compressed_attention is 1;"));
  config["compress_rates"] = 4;
  EXPECT_THAT(refusal(config), HasSubstr("compress_rates is 4; an object"));
  config = tiny_config_of_transformers();
  config["compress_rate_hca"] = 64;
  EXPECT_THAT(refusal(config),
              HasSubstr("compress_rates.heavily_compressed_attention is 128 but compress_rate_hca is 64"));
}

TEST(ConfigSchedule, HashLayersMustLead) {
  json config = tiny_config_of_transformers();
  config["mlp_layer_types"][5] = "hash_moe";
  EXPECT_THAT(refusal(config), HasSubstr("mlp_layer_types[5] is hash_moe after a layer that is not"));
  config["mlp_layer_types"] = json(std::vector<std::string>(8, "moe"));
  EXPECT_EQ(parse(config)->num_hash_layers, 0u);
  config["mlp_layer_types"] = json(std::vector<std::string>(8, "hash_moe"));
  EXPECT_EQ(parse(config)->num_hash_layers, 8u);
}

TEST(ConfigSchedule, RefusesMoreHashLayersThanLayers) {
  json config = tiny_config();
  config["num_hash_layers"] = 8;
  EXPECT_EQ(refusal(config), "");
  config["num_hash_layers"] = 9;
  EXPECT_THAT(refusal(config), HasSubstr("num_hash_layers is 9; a whole number from 0 to 8"));
}

}  // namespace
}  // namespace sluice
