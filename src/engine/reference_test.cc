#include "engine/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "checkpoint/safetensors_testing.h"

namespace sluice {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempFolder;
using testing::TestTensor;

// Three tokens through one layer.
ModelConfig tiny() {
  ModelConfig config;
  config.vocab_size = 8;
  config.hidden_size = 4;
  config.num_hidden_layers = 1;
  config.hc_mult = 2;
  config.n_routed_experts = 5;
  config.num_experts_per_tok = 2;
  return config;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

TestTensor floats(std::string name, std::vector<uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t size : shape) count *= size;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) + 0.5F;
  return {std::move(name), DType::kF32, std::move(shape), bytes_of(values)};
}

TestTensor ints(std::string name, std::vector<int64_t> values) {
  return {std::move(name), DType::kI64, {values.size()}, bytes_of(values)};
}

// Every kind of tensor that a case may have.
std::vector<TestTensor> whole_case(const std::string& prefix = "") {
  TestTensor experts{prefix + "layer0.experts", DType::kI16, {3, 2}, bytes_of<int16_t>({0, 4, 1, 2, 3, 0})};
  TestTensor blocks{
      prefix + "layer0.index_topk", DType::kI32, {2, 3}, bytes_of<int32_t>({-1, -1, -1, 0, 2, -1})};
  return {ints(prefix + "input_ids", {1, 7, 0}),
          ints(prefix + "positions", {2, 0}),
          floats(prefix + "logits", {2, 8}),
          ints(prefix + "probe_positions", {0, 2}),
          experts,
          floats(prefix + "layer0.weights", {2, 2}),
          floats(prefix + "layer0.attention", {2, 4}),
          floats(prefix + "layer0.streams", {2, 2, 4}),
          blocks,
          ints(prefix + "mtp_positions", {1}),
          floats(prefix + "mtp_logits", {1, 8}),
          ints(prefix + "greedy_ids", {3, 5}),
          ints(prefix + "greedy_prompt_len", {2}),
          floats(prefix + "greedy_logits", {2, 8})};
}

Result<std::vector<ReferenceCase>> parse(const std::vector<TestTensor>& tensors) {
  const std::string file = testing::safetensors_file(tensors);
  return parse_reference(std::as_bytes(std::span(file)), "ref.safetensors", tiny());
}

// The refusal of a whole case in which one tensor was changed.
std::string refusal(const std::string& name, const std::function<void(TestTensor&)>& change) {
  auto tensors = whole_case();
  for (TestTensor& tensor : tensors) {
    if (tensor.name == name) change(tensor);
  }
  const auto parsed = parse(tensors);
  if (parsed) return "not refused";
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt) << parsed.error().message;
  return parsed.error().message;
}

std::string refusal_of_shape(const std::string& name, std::vector<uint64_t> shape) {
  return refusal(name, [&](TestTensor& tensor) {
    tensor.shape = shape;
    tensor.bytes.clear();
  });
}

std::string refusal_of_values(const std::string& name, std::vector<int64_t> values) {
  return refusal(name, [&](TestTensor& tensor) { tensor = ints(name, values); });
}

TEST(Reference, ReadsEveryQuantity) {
  const auto cases = parse(whole_case());
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  ASSERT_EQ(cases->size(), 1U);
  const ReferenceCase& one = cases->front();
  EXPECT_EQ(one.name, "all");
  EXPECT_EQ(one.ids, (std::vector<int32_t>{1, 7, 0}));
  EXPECT_EQ(one.positions, (std::vector<size_t>{2, 0}));
  EXPECT_EQ(one.logits.row(1)[7], 15.5F);
  EXPECT_EQ(one.probe_positions, (std::vector<size_t>{0, 2}));
  ASSERT_EQ(one.layers.size(), 1U);
  EXPECT_EQ(one.layers[0].experts.row(1)[0], 1);
  EXPECT_EQ(one.layers[0].weights.row(1)[1], 3.5F);
  EXPECT_EQ(one.layers[0].attention.row(0)[3], 3.5F);
  EXPECT_EQ(one.layers[0].streams.row(1).size(), 8U);
  EXPECT_EQ(one.layers[0].index_topk.row(0)[2], -1);
  EXPECT_EQ(one.mtp_positions, (std::vector<size_t>{1}));
  EXPECT_EQ(one.mtp_logits.row(0)[0], 0.5F);
  EXPECT_EQ(one.greedy_ids, (std::vector<int32_t>{3, 5}));
  EXPECT_EQ(one.greedy_prompt_tokens, 2U);
  EXPECT_EQ(one.greedy_logits.row(1)[0], 8.5F);
}

TEST(Reference, CasesAreTheirPrefixesShortestFirst) {
  auto tensors = whole_case("a.long.");
  tensors.push_back(ints("short.input_ids", {4}));
  tensors.push_back({"unrelated", DType::kF16, {3}, ""});
  const auto cases = parse(tensors);
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  ASSERT_EQ(cases->size(), 2U);
  EXPECT_EQ((*cases)[0].name, "short");
  EXPECT_EQ((*cases)[0].logits.rows, 0U);
  EXPECT_EQ((*cases)[1].name, "a.long");
  EXPECT_EQ((*cases)[1].greedy_ids.size(), 2U);
}

TEST(Reference, WithoutPositionsLogitsStandForEveryToken) {
  const auto cases = parse({ints("input_ids", {1, 2, 3}), floats("logits", {3, 8})});
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  EXPECT_EQ(cases->front().positions, (std::vector<size_t>{0, 1, 2}));
}

TEST(Reference, ATableMayHaveNoRows) {
  const auto cases = parse({ints("input_ids", {1, 2, 3}), ints("positions", {}), floats("logits", {0, 8})});
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  EXPECT_EQ(cases->front().logits.rows, 0U);
}

TEST(Reference, AFileThatIsNoneIsRefused) {
  const auto message = [](std::string_view bytes) {
    const auto parsed = parse_reference(std::as_bytes(std::span(bytes)), "ref.safetensors", tiny());
    return parsed ? "not refused" : parsed.error().message;
  };
  EXPECT_THAT(message(""), HasSubstr("ref.safetensors: 0 bytes"));
  EXPECT_THAT(message("short"), HasSubstr("ref.safetensors: 5 bytes"));
  EXPECT_THAT(message("a page of text that is no header"), HasSubstr("ref.safetensors"));
  EXPECT_THAT(message(testing::safetensors_file({floats("logits", {3, 8})})), HasSubstr("input_ids"));
}

TEST(Reference, AFileThatIsMissingIsRefused) {
  const TempFolder folder;
  const auto loaded = load_reference(folder.path() / "ref.safetensors", tiny());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
}

TEST(Reference, ShapesFollowFromTheConfigurationAndThePositions) {
  EXPECT_THAT(refusal_of_shape("input_ids", {1, 3}),
              AllOf(HasSubstr("ref.safetensors: input_ids: I64 [1, 3] found")));
  EXPECT_THAT(refusal_of_shape("input_ids", {0}), HasSubstr("at least one id"));
  EXPECT_THAT(refusal_of_shape("logits", {2, 9}), HasSubstr("logits: F32 [2, 9] found, F32 [2, 8] expected"));
  EXPECT_THAT(refusal_of_shape("logits", {3, 8}), HasSubstr("F32 [2, 8] expected"));
  EXPECT_THAT(refusal_of_shape("logits", {16}), HasSubstr("F32 [2, 8] expected"));
  EXPECT_THAT(refusal_of_shape("layer0.experts", {3, 3}),
              HasSubstr("layer0.experts: I16 [3, 3] found, 3 rows of 2"));
  EXPECT_THAT(refusal_of_shape("layer0.experts", {2, 2}), HasSubstr("3 rows of 2"));
  EXPECT_THAT(refusal_of_shape("layer0.weights", {2, 3}), HasSubstr("layer0.weights"));
  EXPECT_THAT(refusal_of_shape("layer0.attention", {3, 4}), HasSubstr("layer0.attention"));
  EXPECT_THAT(refusal_of_shape("layer0.streams", {2, 3, 4}), HasSubstr("layer0.streams"));
  EXPECT_THAT(refusal_of_shape("layer0.index_topk", {1, 3}), HasSubstr("layer0.index_topk"));
  EXPECT_THAT(refusal_of_shape("mtp_logits", {2, 8}), HasSubstr("mtp_logits"));
  EXPECT_THAT(refusal_of_shape("greedy_logits", {3, 8}), HasSubstr("greedy_logits"));
  EXPECT_THAT(refusal_of_shape("greedy_prompt_len", {2}), HasSubstr("greedy_prompt_len"));
}

TEST(Reference, TypesAreFloat32OrSignedIntegers) {
  const auto retyped = [](const std::string& name, DType type) {
    return refusal(name, [=](TestTensor& tensor) {
      tensor.dtype = type;
      tensor.bytes.clear();
    });
  };
  EXPECT_THAT(retyped("logits", DType::kF16), HasSubstr("logits: F16 [2, 8] found, F32 [2, 8] expected"));
  EXPECT_THAT(retyped("input_ids", DType::kF32), HasSubstr("input_ids: F32 [3] found, integers"));
  EXPECT_THAT(retyped("layer0.experts", DType::kU8), HasSubstr("layer0.experts: U8 [3, 2] found, integers"));
  EXPECT_EQ(retyped("layer0.experts", DType::kI8), "not refused");
}

TEST(Reference, EveryValueIsInItsRange) {
  EXPECT_THAT(refusal_of_values("input_ids", {1, 8, 0}),
              HasSubstr("input_ids: I64 [3] found, integers from 0 to 7"));
  EXPECT_THAT(refusal_of_values("input_ids", {1, -1, 0}), HasSubstr("integers from 0 to 7"));
  EXPECT_THAT(refusal_of_values("input_ids", {1, int64_t{1} << 32, 0}), HasSubstr("integers from 0 to 7"));
  EXPECT_THAT(refusal_of_values("positions", {2, 3}),
              HasSubstr("positions: I64 [2] found, integers from 0 to 2"));
  EXPECT_THAT(refusal_of_values("probe_positions", {-1, 2}), HasSubstr("integers from 0 to 2"));
  EXPECT_THAT(refusal_of_values("mtp_positions", {2}),
              HasSubstr("integers from 0 to 1"));  // nothing follows the last
  EXPECT_THAT(refusal_of_values("greedy_ids", {3, 8}), HasSubstr("integers from 0 to 7"));
  EXPECT_THAT(refusal_of_values("greedy_prompt_len", {0}), HasSubstr("integers from 1 to 3"));
  EXPECT_THAT(refusal_of_values("greedy_prompt_len", {4}), HasSubstr("integers from 1 to 3"));
  EXPECT_THAT(refusal("layer0.experts", [](TestTensor& tensor) { tensor.bytes[2] = 5; }),
              HasSubstr("integers from 0 to 4"));
  EXPECT_THAT(refusal("layer0.index_topk", [](TestTensor& tensor) { tensor.bytes[0] = '\xfe'; }),
              HasSubstr("integers from -1"));
}

TEST(Reference, QuantitiesThatNeedAnotherOneAreRefusedWithoutIt) {
  const auto without = [](const std::string& name) {
    auto tensors = whole_case();
    std::erase_if(tensors, [&](const TestTensor& tensor) { return tensor.name == name; });
    const auto parsed = parse(tensors);
    return parsed ? "not refused" : parsed.error().message;
  };
  EXPECT_THAT(without("positions"), HasSubstr("logits: F32 [2, 8] found, F32 [3, 8] expected"));
  EXPECT_THAT(without("probe_positions"), HasSubstr("layer0.weights"));
  EXPECT_THAT(without("mtp_positions"), HasSubstr("mtp_positions: nothing found"));
  EXPECT_THAT(without("greedy_prompt_len"), HasSubstr("greedy_prompt_len: nothing found"));
  EXPECT_THAT(without("greedy_logits"), HasSubstr("greedy_logits: nothing found"));
  EXPECT_EQ(without("layer0.experts"), "not refused");
}

TEST(Reference, MtpLogitsNeedASecondToken) {
  const auto parsed =
      parse({ints("input_ids", {1}), ints("mtp_positions", {0}), floats("mtp_logits", {1, 8})});
  ASSERT_FALSE(parsed.has_value());
  EXPECT_THAT(parsed.error().message, HasSubstr("mtp_positions"));
}

std::string greedy_refusal(std::string_view json) {
  const auto parsed = parse_greedy(json, "greedy.json", tiny());
  if (parsed) return "not refused";
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  return parsed.error().message;
}

TEST(GreedyRuns, AreRead) {
  const auto runs = parse_greedy(
      R"([{"prompt_ids":[1,2],"output_ids":[3],"margin":[0.5],"text":"x"},{"prompt_ids":[7],"output_ids":[],"margin":[]}])",
      "greedy.json", tiny());
  ASSERT_TRUE(runs.has_value()) << runs.error().message;
  ASSERT_EQ(runs->size(), 2U);
  EXPECT_EQ((*runs)[0].prompt_ids, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ((*runs)[0].margins, (std::vector<double>{0.5}));
  EXPECT_TRUE((*runs)[1].output_ids.empty());
}

TEST(GreedyRuns, DamagedOnesAreRefusedByNumber) {
  for (const char* json : {"", "{", "{}", "3", "\"\\ud800\"", "[1e999]"}) {
    EXPECT_THAT(greedy_refusal(json), HasSubstr("greedy.json")) << json;
  }
  const std::string good = R"({"prompt_ids":[1],"output_ids":[3],"margin":[0.5]},)";
  for (const char* bad : {
           R"({})",
           R"([1,2])",  // an array is no run, not even one of ids
           R"(null)",
           R"({"prompt_ids":[],"output_ids":[3],"margin":[0.5]})",
           R"({"prompt_ids":[8],"output_ids":[3],"margin":[0.5]})",
           R"({"prompt_ids":[-1],"output_ids":[3],"margin":[0.5]})",
           R"({"prompt_ids":[1.0],"output_ids":[3],"margin":[0.5]})",
           R"({"prompt_ids":[1],"output_ids":[18446744073709551615],"margin":[0.5]})",
           R"({"prompt_ids":[1],"output_ids":[3],"margin":["much"]})",
           R"({"prompt_ids":[1],"output_ids":[3],"margin":[]})",
           R"({"prompt_ids":[1],"output_ids":[3],"margin":0.5})",
           R"({"prompt_ids":[1],"output_ids":[3]})",
           R"({"prompt_ids":{"0":1},"output_ids":[3],"margin":[0.5]})",
       }) {
    EXPECT_THAT(greedy_refusal("[" + good + bad + "]"), HasSubstr("greedy.json: run 1: ")) << bad;
  }
}

TEST(GreedyRuns, DeepNestingIsRefusedWithoutAStackForIt) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_THAT(greedy_refusal("[{\"prompt_ids\":" + deep + "}]"), HasSubstr("run 0"));
  EXPECT_THAT(greedy_refusal(deep), HasSubstr("run 0"));
}

}  // namespace
}  // namespace sluice
