// The long comparisons with the reference implementation: seconds in an optimised build, and not built with
// sanitizers.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/perplexity.h"
#include "reference_files.h"

namespace sluice {
namespace {

using namespace testing;

TEST(TinyV4, EveryCaseIsWithinBoundsInEverySchedule) {
  const auto cases = reference_cases(kTinyV4Reference / "reference.safetensors", config_of(kTinyV4));
  ASSERT_EQ(cases.size(), 3U);
  const auto loaded = load_for(kTinyV4, cases);
  ASSERT_NE(loaded, nullptr);
  const VerifyReport report = verify_or_fail(*loaded, cases, {});
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
}

TEST(TinyV4, GreedyTextsAreTheReferences) {
  const auto loaded = load(options_for(kTinyV4, StreamMode::kResident));
  ASSERT_NE(loaded, nullptr);
  const auto greedy = greedy_cases(loaded->model->config());
  ASSERT_EQ(greedy.size(), 7U);
  const VerifyReport report = verify_or_fail(*loaded, {}, greedy);
  EXPECT_TRUE(report.within());
  EXPECT_EQ(rows_outside(report), "");
  uint64_t compared = 0;
  for (const VerifyRow& row : report.rows) compared += row.compared;
  EXPECT_GE(compared, 250U);  // of 505 tokens, those before a step that might go either way
}

TEST(TinyV4, PerplexityIsTheReferences) {
  const auto path = kTinyV4Reference / "perplexity.json";
  const auto json = read_text_file(path, 1 << 20);
  ASSERT_TRUE(json.has_value());
  EngineOptions options = options_for(kTinyV4, StreamMode::kDirect);
  const auto loaded = load(options);
  ASSERT_NE(loaded, nullptr);
  const auto text = parse_perplexity_text(*json, path.string(), loaded->model->config());
  ASSERT_TRUE(text.has_value()) << text.error().message;
  const auto result = perplexity(*loaded, *text, {});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  const auto expected = nlohmann::json::parse(*json);
  EXPECT_EQ(result->windows, expected["windows"].get<uint64_t>());
  const double reference = expected["perplexity"].get<double>();
  EXPECT_NEAR(result->perplexity, reference, 0.0005 * reference);
  EXPECT_NEAR(result->nll_per_token, expected["nll_per_token"].get<double>(), 1e-4);
}

}  // namespace
}  // namespace sluice
