#include "cli/verify_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/test_output.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

VerifyRow logits_row() {
  return {.subject = "short",
          .schedule = "whole",
          .quantity = "logits",
          .compared = 9,
          .mean_error = 2e-5,
          .largest_error = 3e-4};
}

TEST(VerifyTable, SaysWhatIsBeyondAndWhatOnlyInforms) {
  const Output plain = Output::none();
  VerifyRow row = logits_row();
  row.within = false;
  EXPECT_THAT(verify_line(row, plain), HasSubstr("BEYOND"));
  EXPECT_THAT(verify_line(row, plain), HasSubstr("2.0e-05"));
  row.bounded = false;
  EXPECT_THAT(verify_line(row, plain), HasSubstr("(for information)"));
  EXPECT_THAT(verify_line(row, plain), Not(HasSubstr("BEYOND")));
}

TEST(VerifyTable, SaysHowManyChoicesWereNearAndHowManyWentOtherwise) {
  const Output plain = Output::none();
  VerifyReport report;
  report.numerics = Numerics::kFast;
  report.rows = {{.subject = "short", .schedule = "whole", .quantity = "experts", .compared = 90}};
  EXPECT_THAT(verify_line(report.rows[0], plain), Not(HasSubstr("of")));
  EXPECT_THAT(verify_verdict(report, plain), Not(HasSubstr("too near")));
  report.rows[0].near = 12;
  report.rows[0].ties = 3;
  EXPECT_THAT(verify_line(report.rows[0], plain), HasSubstr(" 3 of 12 "));
  report.rows.push_back(report.rows[0]);
  EXPECT_THAT(verify_verdict(report, plain), HasSubstr("; ties: 6 of 24 choices too near to tell)"));
  EXPECT_THAT(verify_verdict(report, plain), StartsWith("PASS"));
}

TEST(VerifyTable, EndsWithPassOrFail) {
  const Output plain = Output::none();
  VerifyReport report;
  report.rows = {logits_row(), logits_row()};
  EXPECT_THAT(verify_verdict(report, plain), StartsWith("PASS: all 2 quantities"));
  report.rows[0].within = false;
  EXPECT_THAT(verify_verdict(report, plain), StartsWith("FAIL: 1 of 2 quantities"));
  report.rows[0].bounded = false;
  EXPECT_THAT(verify_verdict(report, plain), StartsWith("PASS: all 1 quantities"));
  EXPECT_THAT(verify_verdict(report, plain),
              HasSubstr("of exact numerics (mean error 1e-05, largest 1e-03 "));
  report.numerics = Numerics::kFast;
  EXPECT_THAT(verify_verdict(report, plain), HasSubstr("of fast numerics (mean error 1e-03, largest 1e-01 "));
}

}  // namespace
}  // namespace sluice
