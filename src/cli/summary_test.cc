#include "cli/summary.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

GenerationResult generated(uint64_t tokens, FinishReason finish) {
  GenerationResult result;
  result.ids.assign(tokens, 7);
  result.finish = finish;
  result.stats.new_tokens = tokens;
  return result;
}

TEST(Summary, CountsRatesOverTheTokensThatWentThroughTheModel) {
  GenerationResult result = generated(11, FinishReason::kMaxTokens);  // the first came from the prompt's pass
  result.stats.prompt_tokens = 30;
  result.stats.reused_tokens = 10;
  result.stats.prefill_ns = 100'000'000;
  result.stats.decode_ns = 2'000'000'000;
  result.stats.decode = {
      .hits = 900, .misses = 100, .reads = 200, .read_bytes = 25'000'000, .wait_ns = 500'000'000};
  EXPECT_EQ(summary_of(result),
            "11 tokens (as many as asked for), 5.0 tokens/s; prompt 30 tokens (10 known), 200 tokens/s; 90.0 "
            "% hits, "
            "2.50 MB/token, waiting 25 %");
}

TEST(Summary, LeavesOutWhatThereIsNothingToMakeOf) {
  GenerationResult result = generated(1, FinishReason::kEndOfText);
  result.stats.prompt_tokens = 1;
  EXPECT_EQ(summary_of(result), "1 token; prompt 1 token");
}

TEST(Summary, SaysThatATextWasCutOff) {
  EXPECT_EQ(summary_of(generated(0, FinishReason::kCancelled)), "0 tokens (interrupted); prompt 0 tokens");
  EXPECT_EQ(summary_of(generated(1, FinishReason::kContextFull)),
            "1 token (the context is full); prompt 0 tokens");
}

TEST(DecodePasses, AreOneFewerThanTokensUnlessTheLastWasTakenIn) {
  EXPECT_EQ(decode_passes(generated(0, FinishReason::kCancelled)), 0u);
  EXPECT_EQ(decode_passes(generated(8, FinishReason::kMaxTokens)), 7u);
  EXPECT_EQ(decode_passes(generated(8, FinishReason::kCancelled)), 8u);
}

}  // namespace
}  // namespace sluice
