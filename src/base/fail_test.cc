#include "base/fail.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace sluice {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalidArgument, "{} is odd", value);
  return value / 2;
}

Status check_even(int value) {
  SLUICE_TRY(half(value));
  return {};
}

Result<int> quarter(int value) {
  SLUICE_ASSIGN(const int halved, half(value));
  SLUICE_ASSIGN(const int quartered, half(halved));
  return quartered;
}

TEST(Fail, FormatsTheMessageAndKeepsTheCode) {
  const Result<int> result = half(7);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "7 is odd");
}

TEST(Fail, LeavesBracesOfArgumentsAlone) {
  const Status status = fail(ErrorCode::kCorrupt, "found {}", "{0} {nope}");
  EXPECT_EQ(status.error().message, "found {0} {nope}");
}

TEST(SluiceTry, PassesAnErrorUpAndGoesOnWithoutOne) {
  EXPECT_TRUE(check_even(4).has_value());
  const Status status = check_even(3);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message, "3 is odd");
}

TEST(SluiceTry, EvaluatesItsExpressionOnce) {
  int calls = 0;
  const auto counted = [&]() -> Status {
    ++calls;
    return {};
  };
  const auto tried = [&]() -> Status {
    SLUICE_TRY(counted());
    return {};
  };
  EXPECT_TRUE(tried().has_value());
  EXPECT_EQ(calls, 1);
}

TEST(SluiceAssign, BindsTheValueOrReturnsTheFirstError) {
  EXPECT_EQ(quarter(12).value_or(-1), 3);
  EXPECT_EQ(quarter(7).error().message, "7 is odd");
  EXPECT_EQ(quarter(6).error().message, "3 is odd");
}

TEST(SluiceAssign, MovesValuesThatCannotBeCopied) {
  const auto owned = []() -> Result<std::unique_ptr<int>> {
    SLUICE_ASSIGN(auto value, Result<std::unique_ptr<int>>(std::make_unique<int>(5)));
    return value;
  }();
  ASSERT_TRUE(owned.has_value());
  EXPECT_EQ(**owned, 5);
}

TEST(Error, InPutsThePlaceInFrontAndKeepsTheCode) {
  const Error error = Error{ErrorCode::kIo, "the file ends"}.in("a.safetensors");
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_EQ(error.message, "a.safetensors: the file ends");
}

TEST(ErrorCodeName, IsDifferentForEveryCode) {
  std::set<std::string> names;
  const int last = static_cast<int>(ErrorCode::kInternal);
  for (int code = 0; code <= last; ++code) names.insert(error_code_name(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), static_cast<size_t>(last) + 1);
  EXPECT_STREQ(error_code_name(ErrorCode::kOutOfBudget), "out_of_budget");
}

TEST(ErrnoText, SaysWhatTheSystemSays) {
  EXPECT_EQ(errno_text(ENOENT), "No such file or directory");
}

}  // namespace
}  // namespace sluice
