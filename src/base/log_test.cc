#include "base/log.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace sluice {
namespace {

// What `action` writes to standard error. The level is the logger's default before and after.
std::string stderr_of(const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  action();
  set_log_level(LogLevel::kWarn);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, DropsLinesBelowTheDefaultLevel) {
  EXPECT_EQ(stderr_of([] { log_info("unseen"); }), "");
  EXPECT_EQ(stderr_of([] { log_warn("seen {}", 1); }), "sluice: warning: seen 1\n");
  EXPECT_EQ(stderr_of([] { log_line(LogLevel::kError, "seen"); }), "sluice: error: seen\n");
}

TEST(Log, FollowsTheLevelThatIsSet) {
  EXPECT_EQ(stderr_of([] {
              set_log_level(LogLevel::kDebug);
              log_debug("a");
              set_log_level(LogLevel::kInfo);
              log_debug("b");
              log_info("c");
              set_log_level(LogLevel::kError);
              log_warn("d");
            }),
            "sluice: debug: a\nsluice: info: c\n");
}

TEST(Log, WritesBracesOfALineAsTheyAre) {
  EXPECT_EQ(stderr_of([] { log_line(LogLevel::kWarn, "{} {0:>9} %v"); }), "sluice: warning: {} {0:>9} %v\n");
}

}  // namespace
}  // namespace sluice
