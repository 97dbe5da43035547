#include "experts/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kHead =
    "# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=2 expert_bytes=100\n"
    "phase,token,layer,experts,weights\n";
constexpr std::string_view kHeadWithScores =
    "# sluice-trace v2\n# model=m layers=3 experts=3 experts_per_token=1 expert_bytes=100\n"
    "phase,token,layer,experts,weights,scores\n";

// What parse_trace says to these lines under kHead; empty when it takes them.
std::string refusal(std::string_view lines, std::string_view head = kHead) {
  const auto trace = parse_trace(std::string(head) + std::string(lines), "t.csv");
  if (trace) return "";
  EXPECT_EQ(trace.error().code, ErrorCode::kCorrupt);
  return trace.error().message;
}

std::filesystem::path recorded(std::string_view name) {
  return std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/data/traces" / name;
}

TEST(Trace, ReadsWhatALineSays) {
  const auto trace =
      parse_trace(std::string(kHead) + "prefill,0,1,7+0,0.75+0.25\ndecode,1,2,3+4,1+-0.5\n", "t.csv");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->header.model, "m");
  EXPECT_EQ(trace->header.layers, 3u);
  EXPECT_EQ(trace->header.experts, 8u);
  EXPECT_EQ(trace->header.experts_per_token, 2u);
  EXPECT_EQ(trace->header.expert_bytes, 100u);
  ASSERT_EQ(trace->routes.size(), 2u);
  EXPECT_EQ(trace->routes[0].phase, TracePhase::kPrefill);
  EXPECT_EQ(trace->routes[0].layer, 1u);
  EXPECT_EQ(trace->routes[0].experts, (std::vector<uint32_t>{7, 0}));
  EXPECT_EQ(trace->routes[0].weights, (std::vector<float>{0.75F, 0.25F}));
  EXPECT_EQ(trace->routes[1].phase, TracePhase::kDecode);
  EXPECT_EQ(trace->routes[1].token, 1u);
  EXPECT_EQ(trace->routes[1].weights, (std::vector<float>{1.0F, -0.5F}));
}

TEST(Trace, ReadsScoresOfAllExpertsWhereThereAreAny) {
  const auto trace =
      parse_trace(std::string(kHeadWithScores) + "decode,0,0,1,1,0.5+2e-3+1e5\ndecode,0,1,1,1,\n", "t.csv");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_TRUE(trace->header.has_scores);
  EXPECT_EQ(trace->routes[0].scores, (std::vector<float>{0.5F, 2e-3F, 1e5F}));
  EXPECT_TRUE(trace->routes[1].scores.empty());
}

TEST(Trace, RecordedOnesSurviveWritingAndReading) {
  for (const char* name : {"qwen3-30b-a3b.csv", "gemma-4-26b-a4b.csv"}) {
    const auto trace = read_trace(recorded(name));
    ASSERT_TRUE(trace) << trace.error().message;
    const auto text = format_trace(*trace);
    ASSERT_TRUE(text) << text.error().message;
    std::ifstream file(recorded(name), std::ios::binary);
    const std::string original(std::istreambuf_iterator<char>(file), {});
    // Byte for byte, but for numbers that were written with more digits or other exponents than needed.
    const auto again = parse_trace(*text, name);
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(again->routes.size(), trace->routes.size());
    EXPECT_EQ(std::ranges::count(*text, '\n'), std::ranges::count(original, '\n'));
    for (size_t i = 0; i < trace->routes.size(); ++i) {
      EXPECT_EQ(again->routes[i].experts, trace->routes[i].experts);
      EXPECT_EQ(again->routes[i].weights, trace->routes[i].weights);
    }
  }
}

TEST(Trace, NumbersOfAnySizeSurviveToTheBit) {
  Trace trace{{"m", 1, 3, 1, 1, true}, {}};
  trace.routes.push_back({TracePhase::kDecode,
                          0,
                          0,
                          {2},
                          {std::numeric_limits<float>::max()},
                          {1e-42F, -1.0F / 3, std::numeric_limits<float>::lowest()}});
  const auto text = format_trace(trace);
  ASSERT_TRUE(text) << text.error().message;
  const auto again = parse_trace(*text, "t.csv");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->routes[0].weights, trace.routes[0].weights);
  EXPECT_EQ(again->routes[0].scores, trace.routes[0].scores);
}

TEST(Trace, AFileIsWrittenWholeAndReadBack) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "sluice_trace_test.csv";
  const Trace trace{{"m", 1, 2, 1, 1, false}, {{TracePhase::kPrefill, 0, 0, {1}, {1.0F}, {}}}};
  ASSERT_TRUE(write_trace(trace, path));
  const auto again = read_trace(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->routes.size(), 1u);
  EXPECT_EQ(write_trace(trace, "/no/such/folder/t.csv").error().code, ErrorCode::kIo);
  EXPECT_EQ(read_trace("/no/such/folder/t.csv").error().code, ErrorCode::kNotFound);
}

TEST(Trace, AnErrorNamesFileLineWhatWasFoundAndWhatWasExpected) {
  EXPECT_EQ(refusal("prefill,0,0,1+2,1+1\nprefil,0,1,1+2,1+1\n"),
            "t.csv:5: found \"prefil\", expected the phase prefill or decode");
  EXPECT_EQ(refusal("decode,0,3,1+2,1+1\n"), "t.csv:4: found layer 3, expected a number below 3 (layers)");
}

struct BadLine {
  const char* lines;
  const char* says;
};

TEST(Trace, RefusesLinesThatBreakARule) {
  const BadLine bad_lines[] = {
      {"decode,0,0,1+2\n", "expected 5 columns"},
      {"decode,0,0,1+2,1+1,\n", "expected 5 columns"},
      {"\n", "expected 5 columns"},
      {"decode,-1,0,1+2,1+1\n", "found \"-1\", expected a token number"},
      {"decode,4294967295,0,1+2,1+1\n", "expected a number below 16777216"},
      {"decode,0,x,1+2,1+1\n", "found \"x\", expected a layer number"},
      {"decode,0,0,1+2+3,1+1\n", "found 3 experts, expected 1 to 2"},
      {"decode,0,0,,1+1\n", "found 0 experts, expected 1 to 2"},
      {"decode,0,0,1+8,1+1\n", "found expert 8, expected a number below 8"},
      {"decode,0,0,1+1,1+1\n", "found expert 1 twice"},
      {"decode,0,0,1+2+,1+1\n", "found \"\", expected a number in experts"},
      {"decode,0,0,1+2,1\n", "found 1 weights, expected 2"},
      {"decode,0,0,1+2,1+nan\n", "not finite"},
      {"decode,0,0,1+2,1+1e99\n", "found \"1e99\", expected a number in weights"},
      {"decode,0,0,1+2,1+1 \n", "found \"1 \", expected a number in weights"},
      {"decode,0,0,1+2,1+1\r\n", "found \"1?\", expected a number in weights"},
      {"decode,0,1,1+2,1+1\ndecode,0,1,1+2,1+1\n", "expected ascending order"},
      {"decode,1,0,1+2,1+1\ndecode,0,1,1+2,1+1\n", "expected ascending order"},
      {"decode,0,0,1+2,1+1\nprefill,1,0,1+2,1+1\n", "found prefill behind decode"},
      {"prefill,0,0,1+2,1+1\ndecode,0,1,1+2,1+1\n", "found token 0 in both phases"},
  };
  for (const BadLine& bad : bad_lines) EXPECT_THAT(refusal(bad.lines), HasSubstr(bad.says)) << bad.lines;
  EXPECT_THAT(refusal("decode,0,0,1,1,1+2\n", kHeadWithScores),
              HasSubstr("found 2 scores, expected 3 or none"));
  EXPECT_THAT(refusal("decode,0,0,1,1,1+2+inf\n", kHeadWithScores), HasSubstr("not finite"));
  EXPECT_THAT(refusal("decode,0,0,1,1\n", kHeadWithScores), HasSubstr("expected 6 columns"));
}

TEST(Trace, RefusesHeadersThatBreakARule) {
  const BadLine bad_heads[] = {
      {"", "t.csv:1: found \"\", expected \"# sluice-trace v1\""},
      {"# sluice-trace v3\n", "t.csv:1: found \"# sluice-trace v3\""},
      {"# sluice-trace v1\nmodel=m\n", "t.csv:2: "},
      {"# sluice-trace v1\n# model= layers=3 experts=8 experts_per_token=2 expert_bytes=1\n", "model is"},
      {"# sluice-trace v1\n# model=m layers=0 experts=8 experts_per_token=2 expert_bytes=1\n",
       "layers is 0, expected 1 to 1024"},
      {"# sluice-trace v1\n# model=m layers=3 experts=5000 experts_per_token=2 expert_bytes=1\n",
       "experts is 5000, expected 1 to 4096"},
      {"# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=9 expert_bytes=1\n",
       "experts_per_token is 9, expected 1 to 8"},
      {"# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=2 expert_bytes=0\n",
       "expert_bytes is 0"},
      {"# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=2\n",
       "expected expert_bytes=<value>"},
      {"# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=2 expert_bytes=1 more=1\n",
       "expected the end of the line"},
      {"# sluice-trace v1\n# model=m layers=3 experts=8 experts_per_token=2 expert_bytes=1\nphase\n",
       "t.csv:3: found \"phase\""},
  };
  for (const BadLine& bad : bad_heads) EXPECT_THAT(refusal("", bad.lines), HasSubstr(bad.says)) << bad.lines;
}

TEST(Trace, WhatCouldNotBeReadBackIsNotWritten) {
  const Trace good{{"m", 2, 4, 1, 1, false}, {{TracePhase::kPrefill, 0, 1, {1}, {1.0F}, {}}}};
  ASSERT_TRUE(format_trace(good));
  Trace two_words = good;
  two_words.header.model = "a b";
  EXPECT_EQ(format_trace(two_words).error().code, ErrorCode::kInvalidArgument);
  Trace backwards = good;
  backwards.routes.push_back(good.routes[0]);
  EXPECT_THAT(format_trace(backwards).error().message, HasSubstr("route 1"));
  Trace unasked_scores = good;
  unasked_scores.routes[0].scores = {1, 2, 3, 4};
  EXPECT_THAT(format_trace(unasked_scores).error().message, HasSubstr("4 scores"));
}

TEST(Trace, SaysHowFarReadingIs) {
  Trace trace{{"m", 1, 4, 1, 1, false}, {}};
  for (uint32_t token = 0; token < 5000; ++token)
    trace.routes.push_back({TracePhase::kDecode, token, 0, {token % 4}, {1.0F}, {}});
  const auto text = format_trace(trace);
  ASSERT_TRUE(text) << text.error().message;
  uint64_t last_bytes = 0;
  size_t calls = 0;
  ASSERT_TRUE(parse_trace(*text, "t.csv", [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_GT(done_bytes, last_bytes);
    EXPECT_LE(done_bytes, total_bytes);
    EXPECT_EQ(total_bytes, text->size());
    last_bytes = done_bytes;
    ++calls;
  }));
  EXPECT_GE(calls, 4u);
}

}  // namespace
}  // namespace sluice
