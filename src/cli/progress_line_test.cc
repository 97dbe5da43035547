#include "cli/progress_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_output.h"

namespace sluice {
namespace {

using testing::CapturedOutput;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr ProgressLine::Timing kAtOnce{std::chrono::seconds(0), std::chrono::seconds(0)};

TEST(ProgressLine, ShowsNothingOfQuickWork) {
  CapturedOutput terminal(testing::kColourTerminal);
  ProgressLine line(terminal.output, {std::chrono::hours(1), std::chrono::seconds(0)});
  line.update_bytes("loading", 1, 2);
  line.clear();
  EXPECT_EQ(terminal.text(), "");
}

TEST(ProgressLine, SaysHowFarSlowWorkIsAndLeavesNothingBehind) {
  CapturedOutput terminal(testing::kColourTerminal);
  {
    ProgressLine line(terminal.output, kAtOnce);
    line.update_bytes("loading experts", 1'000'000'000, 4'000'000'000);
    EXPECT_THAT(terminal.text(), HasSubstr("loading experts: 25 % of 4.00 GB"));
    line.update_tokens("reading", 3, 3);
    EXPECT_THAT(terminal.text(), HasSubstr("\r\x1b[K\x1b[2mreading: 100 % of 3 tokens"));
    line.update_seconds("measuring", 375'000'000, 1'500'000'000);
    EXPECT_THAT(terminal.text(), HasSubstr("measuring: 25 % of 1.5 s"));
  }
  EXPECT_THAT(terminal.text(), EndsWith("\r\x1b[K"));
}

TEST(ProgressLine, SaysNothingWhereItCannotRewrite) {
  for (const OutputTraits traits : {testing::kPipe, testing::kPlainTerminal}) {
    CapturedOutput captured(traits);
    ProgressLine line(captured.output, kAtOnce);
    line.update_bytes("loading", 1, 2);
    line.clear();
    EXPECT_EQ(captured.text(), "");
  }
}

TEST(ProgressLine, DoesNotDrawMoreOftenThanAnEyeCanRead) {
  CapturedOutput terminal(testing::kColourTerminal);
  ProgressLine line(terminal.output, {std::chrono::seconds(0), std::chrono::hours(1)});
  line.update_tokens("reading", 1, 3);
  const std::string once = terminal.text();
  line.update_tokens("reading", 2, 3);
  EXPECT_EQ(terminal.text(), once);
  EXPECT_THAT(once, HasSubstr("33 %"));
}

}  // namespace
}  // namespace sluice
