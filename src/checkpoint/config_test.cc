#include "checkpoint/config.h"

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
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// tiny-v4's configuration with one key set to something else.
json with(const std::string& key, const json& value) {
  json config = tiny_config();
  config[key] = value;
  return config;
}

json without(const std::string& key) {
  json config = tiny_config();
  config.erase(key);
  return config;
}

TEST(Config, ReadsTheReleasedSpelling) {
  const auto parsed = parse(tiny_config());
  ASSERT_TRUE(parsed) << parsed.error().message;
  ModelConfig expected;
  expected.vocab_size = 2048;
  expected.hidden_size = 256;
  expected.num_hidden_layers = 8;
  expected.max_position_embeddings = 1048576;
  expected.rms_norm_eps = 1e-6;
  expected.num_attention_heads = 8;
  expected.head_dim = 64;
  expected.qk_rope_head_dim = 16;
  expected.q_lora_rank = 128;
  expected.o_groups = 4;
  expected.o_lora_rank = 64;
  expected.sliding_window = 64;
  expected.compress_ratios = {0, 0, 4, 128, 4, 128, 4, 128};
  expected.mtp_compress_ratios = {0};
  expected.index_n_heads = 4;
  expected.index_head_dim = 32;
  expected.index_topk = 32;
  expected.rope_theta = 10000;
  expected.compress_rope_theta = 160000;
  expected.yarn = Yarn{16, 65536, 32, 1};
  expected.n_routed_experts = 64;
  expected.num_experts_per_tok = 6;
  expected.moe_intermediate_size = 64;
  expected.num_hash_layers = 3;
  expected.scoring_func = ScoringFunc::kSqrtSoftplus;
  expected.routed_scaling_factor = 1.5;
  expected.swiglu_limit = 10;
  expected.hc_mult = 4;
  expected.hc_sinkhorn_iters = 20;
  expected.hc_eps = 1e-6;
  expected.num_nextn_predict_layers = 1;
  expected.bos_token_id = 0;
  expected.eos_token_ids = {1};
  EXPECT_EQ(*parsed, expected);
}

TEST(Config, NamesEveryRequiredKeyThatIsMissing) {
  for (const std::string key : {"vocab_size",
                                "hidden_size",
                                "num_hidden_layers",
                                "num_attention_heads",
                                "head_dim",
                                "q_lora_rank",
                                "o_groups",
                                "o_lora_rank",
                                "sliding_window",
                                "index_n_heads",
                                "index_head_dim",
                                "index_topk",
                                "num_experts_per_tok",
                                "moe_intermediate_size",
                                "routed_scaling_factor",
                                "swiglu_limit",
                                "n_routed_experts",
                                "qk_rope_head_dim",
                                "compress_ratios",
                                "num_hash_layers"}) {
    EXPECT_THAT(refusal(without(key)), AllOf(HasSubstr("config.json: " + key), HasSubstr("missing")));
    EXPECT_THAT(refusal(with(key, nullptr)), HasSubstr("config.json: " + key)) << "null";
  }
}

TEST(Config, GivesMissingOptionalKeysTheirDefaults) {
  json config = tiny_config();
  config["compress_ratios"].erase(8);
  for (const char* key : {"n_shared_experts",
                          "norm_topk_prob",
                          "scoring_func",
                          "hc_mult",
                          "hc_sinkhorn_iters",
                          "hc_eps",
                          "rope_theta",
                          "compress_rope_theta",
                          "rope_scaling",
                          "rms_norm_eps",
                          "num_nextn_predict_layers",
                          "max_position_embeddings",
                          "bos_token_id",
                          "eos_token_id",
                          "model_type",
                          "hidden_act",
                          "topk_method",
                          "num_key_value_heads",
                          "tie_word_embeddings",
                          "quantization_config",
                          "expert_dtype",
                          "torch_dtype",
                          "architectures"}) {
    config.erase(key);
  }
  const auto parsed = parse(config);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->scoring_func, ScoringFunc::kSqrtSoftplus);
  EXPECT_EQ(parsed->hc_mult, 4u);
  EXPECT_EQ(parsed->hc_sinkhorn_iters, 20u);
  EXPECT_EQ(parsed->hc_eps, 1e-6);
  EXPECT_EQ(parsed->rms_norm_eps, 1e-6);
  EXPECT_EQ(parsed->rope_theta, 10000);
  EXPECT_EQ(parsed->compress_rope_theta, 160000);
  EXPECT_FALSE(parsed->yarn);
  EXPECT_EQ(parsed->num_nextn_predict_layers, 0u);
  EXPECT_EQ(parsed->max_position_embeddings, 1048576u);
  EXPECT_EQ(parsed->bos_token_id, 0u);
  EXPECT_THAT(parsed->eos_token_ids, ElementsAre(1));
}

TEST(Config, NamesIntegersThatAreMistypedOrOutOfRange) {
  for (const std::string key :
       {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "head_dim", "q_lora_rank",
        "o_groups", "o_lora_rank", "sliding_window", "index_n_heads", "index_head_dim", "index_topk",
        "num_experts_per_tok", "moe_intermediate_size", "n_routed_experts", "qk_rope_head_dim", "hc_mult",
        "hc_sinkhorn_iters", "max_position_embeddings"}) {
    for (const json& value :
         {json(0), json(-1), json(1.5), json("64"), json(4294967296), json(true), json::array()}) {
      EXPECT_THAT(refusal(with(key, value)),
                  AllOf(HasSubstr("config.json: " + key + " is "), HasSubstr("a whole number from")))
          << value;
      EXPECT_EQ(refusal_code(with(key, value)), ErrorCode::kCorrupt);
    }
  }
}

TEST(Config, NamesRealsThatAreMistypedOrOutOfRange) {
  for (const std::string key : {"routed_scaling_factor", "swiglu_limit", "hc_eps", "rms_norm_eps",
                                "rope_theta", "compress_rope_theta"}) {
    for (const json& value : {json(0), json(-1.0), json("1"), json(1e300), json::object()}) {
      EXPECT_THAT(refusal(with(key, value)),
                  AllOf(HasSubstr("config.json: " + key + " is "), HasSubstr("a number above")))
          << value;
    }
  }
}

TEST(Config, SaysWhatWasFoundAndWhatWasExpected) {
  EXPECT_EQ(refusal(with("hc_mult", 17)),
            "config.json: hc_mult is 17; a whole number from 1 to 16 was expected");
}

TEST(Config, KnowsTheThreeScoringFunctions) {
  EXPECT_EQ(parse(with("scoring_func", "sigmoid"))->scoring_func, ScoringFunc::kSigmoid);
  EXPECT_EQ(parse(with("scoring_func", "softmax"))->scoring_func, ScoringFunc::kSoftmax);
  EXPECT_EQ(parse(with("scoring_func", "sqrtsoftplus"))->scoring_func, ScoringFunc::kSqrtSoftplus);
  EXPECT_THAT(refusal(with("scoring_func", "relu")), HasSubstr("scoring_func is \"relu\""));
  EXPECT_THAT(refusal(with("scoring_func", 1)), HasSubstr("scoring_func is 1; a string"));
}

TEST(Config, ReadsOneEndTokenOrSeveral) {
  EXPECT_THAT(parse(with("eos_token_id", json{5, 7}))->eos_token_ids, ElementsAre(5, 7));
  EXPECT_THAT(parse(with("eos_token_id", 9))->eos_token_ids, ElementsAre(9));
  EXPECT_THAT(refusal(with("eos_token_id", json::array())), HasSubstr("eos_token_id is an empty array"));
  EXPECT_THAT(refusal(with("eos_token_id", "x")), HasSubstr("eos_token_id is \"x\""));
}

TEST(Config, RefusesTokensOutsideTheVocabulary) {
  EXPECT_THAT(refusal(with("eos_token_id", 2048)), HasSubstr("eos_token_id is 2048; vocab_size is 2048"));
  EXPECT_THAT(refusal(with("eos_token_id", json{1, 2048})), HasSubstr("eos_token_id is 2048"));
  EXPECT_THAT(refusal(with("bos_token_id", 2048)), HasSubstr("bos_token_id is 2048"));
}

TEST(Config, RefusesSizesThatContradictEachOther) {
  EXPECT_THAT(refusal(with("num_experts_per_tok", 65)),
              HasSubstr("num_experts_per_tok is 65, more than n_routed_experts"));
  EXPECT_THAT(refusal(with("o_groups", 3)),
              HasSubstr("o_groups is 3, which does not divide num_attention_heads, 8"));
  EXPECT_THAT(refusal(with("index_head_dim", 8)),
              HasSubstr("index_head_dim is 8, less than qk_rope_head_dim"));
}

TEST(Config, RefusesMoreExpertsThan64BitsCanCount) {
  json config = tiny_config();
  config["hidden_size"] = 1 << 20;
  config["moe_intermediate_size"] = 1 << 20;
  config["n_routed_experts"] = 4096;
  EXPECT_EQ(refusal(config), "");  // 9 layers x 2^12 x 2^40
  config["n_routed_experts"] = 65536;
  EXPECT_THAT(refusal(config), HasSubstr("n_routed_experts is 65536: in 9 layers"));
}

TEST(Config, RefusesModelsThatSluiceCannotRun) {
  const std::vector<std::pair<std::string, json>> others = {{"model_type", "deepseek_v3"},
                                                            {"hidden_act", "gelu"},
                                                            {"topk_method", "greedy"},
                                                            {"norm_topk_prob", false},
                                                            {"tie_word_embeddings", true},
                                                            {"attention_bias", true},
                                                            {"mlp_bias", true},
                                                            {"num_key_value_heads", 8},
                                                            {"n_shared_experts", 2},
                                                            {"n_shared_experts", 0}};
  for (const auto& [key, value] : others) {
    EXPECT_THAT(refusal(with(key, value)), HasSubstr("config.json: " + key + " is ")) << value;
    EXPECT_EQ(refusal_code(with(key, value)), ErrorCode::kUnsupported) << key;
  }
}

TEST(Config, RefusesOtherQuantizations) {
  json config = tiny_config();
  config["quantization_config"]["weight_block_size"] = {64, 128};
  EXPECT_THAT(refusal(config), HasSubstr("quantization_config.weight_block_size is [64, 128]"));
  config = tiny_config();
  config["quantization_config"]["quant_method"] = "awq";
  EXPECT_THAT(refusal(config), HasSubstr("quantization_config.quant_method is \"awq\""));
}

TEST(Config, NamesAnotherModelBeforeItsMissingKeys) {
  EXPECT_THAT(refusal({{"model_type", "llama"}}), HasSubstr("model_type is \"llama\""));
}

TEST(Config, RefusesTextThatIsNotAConfig) {
  EXPECT_EQ(parse_config("", "config.json").error().message,
            "config.json: empty; a JSON object was expected");
  EXPECT_THAT(parse_config("[]", "config.json").error().message, HasSubstr("config.json: holds array"));
  EXPECT_THAT(parse_config(R"({"head_dim":1,"head_dim":1})", "config.json").error().message,
              HasSubstr("\"head_dim\" stands twice"));
}

TEST(Config, IgnoresKeysItDoesNotKnow) {
  EXPECT_EQ(*parse(with("some_new_key", json{1, "x"})), *parse(tiny_config()));
}

}  // namespace
}  // namespace sluice
