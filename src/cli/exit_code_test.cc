#include "cli/exit_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ExitCode, TellsScriptsWhatKindOfFailureItWas) {
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kInvalidArgument)), 2);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kNotFound)), 3);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kCorrupt)), 3);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kUnsupported)), 3);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kIo)), 4);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kOutOfBudget)), 5);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kInternal)), 70);
  EXPECT_EQ(static_cast<int>(exit_code_of(ErrorCode::kCancelled)), 130);
}

TEST(ExitCode, HelpExplainsEveryCode) {
  for (const ExitCode code :
       {ExitCode::kOk, ExitCode::kNo, ExitCode::kUsage, ExitCode::kModelProblem, ExitCode::kIoProblem,
        ExitCode::kDoesNotFit, ExitCode::kInternal, ExitCode::kInterrupted, ExitCode::kReaderGone}) {
    EXPECT_THAT(exit_code_help(),
                ::testing::HasSubstr("\n  " + std::to_string(static_cast<int>(code)) + " "));
  }
}

}  // namespace
}  // namespace sluice
