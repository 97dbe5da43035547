#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "cli/edited_lines.h"
#include "cli/interrupts.h"
#include "cli/plain_lines.h"

namespace sluice {
namespace {

using LineKind = TypedLine::Kind;

// To the process, as a terminal does it: not to one thread.
void press_ctrl_c() {
  kill(getpid(), SIGINT);
}

// A pipe with everything written to it, and its writing end closed if wanted.
class Pipe {
 public:
  explicit Pipe(std::string_view text) {
    if (pipe(ends_) == 0)
      written_ = write(ends_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }
  ~Pipe() {
    close(ends_[0]);
    end();
  }
  void end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  bool written() const { return written_; }
  int descriptor() const { return ends_[0]; }

 private:
  int ends_[2] = {-1, -1};
  bool written_ = false;
};

TEST(PlainLines, GivesEveryLineAlsoALastOneThatIsNotEnded) {
  Pipe pipe("one\r\n\ntwo\nthree");
  pipe.end();
  ASSERT_TRUE(pipe.written());
  Output prompts = Output::none();
  const auto interrupts = Interrupts::catch_them();
  ASSERT_TRUE(interrupts);
  PlainLines lines(pipe.descriptor(), prompts, *interrupts);
  for (const char* expected : {"one", "", "two", "three"}) {
    const auto line = lines.read("> ");
    ASSERT_TRUE(line);
    EXPECT_EQ(line->kind, LineKind::kLine);
    EXPECT_EQ(line->text, expected);
  }
  EXPECT_EQ(lines.read("> ")->kind, LineKind::kEnd);
}

TEST(PlainLines, GivesWhatWasTypedBeforeAnInterruptAndGoesOn) {
  Pipe pipe("half a line");
  ASSERT_TRUE(pipe.written());
  Output prompts = Output::none();
  const auto interrupts = Interrupts::catch_them();
  ASSERT_TRUE(interrupts);
  PlainLines lines(pipe.descriptor(), prompts, *interrupts);
  press_ctrl_c();
  EXPECT_EQ(lines.read("> ")->kind, LineKind::kInterrupted);
  pipe.end();
  EXPECT_EQ(lines.read("> ")->text, "half a line");
}

TEST(Interrupts, AreTakenOneByOneAndEndNoProcess) {
  const auto interrupts = Interrupts::catch_them();
  ASSERT_TRUE(interrupts);
  EXPECT_FALSE(interrupts->take());
  press_ctrl_c();
  EXPECT_TRUE(interrupts->take());
  EXPECT_FALSE(interrupts->take());
}

TEST(Interrupts, LeaveTheSignalMaskAsItWas) {
  sigset_t before, after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  { const auto interrupts = Interrupts::catch_them(); }
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

TEST(Interrupts, StayIgnoredInAProcessThatIgnoresThem) {
  std::signal(SIGINT, SIG_IGN);
  {
    const auto interrupts = Interrupts::catch_them();
    ASSERT_TRUE(interrupts);
    press_ctrl_c();
    EXPECT_FALSE(interrupts->take());
  }
  std::signal(SIGINT, SIG_DFL);
}

TEST(InterruptWatch, AsksToStopAtTheFirstOne) {
  const auto interrupts = Interrupts::catch_them();
  ASSERT_TRUE(interrupts);
  const InterruptWatch watch(*interrupts);
  EXPECT_FALSE(watch.interrupted());
  press_ctrl_c();
  while (!watch.token().stop_requested()) std::this_thread::yield();
  EXPECT_TRUE(watch.interrupted());
}

TEST(InterruptWatchDeathTest, EndsTheProcessAtTheSecondOne) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const auto interrupts = Interrupts::catch_them();
        const InterruptWatch watch(*interrupts, "last words");
        press_ctrl_c();
        while (!watch.interrupted()) std::this_thread::yield();
        press_ctrl_c();
        while (true) std::this_thread::yield();
      },
      ::testing::KilledBySignal(SIGINT), "last words");
}

TEST(HistoryPath, FollowsTheXdgRules) {
  const auto remember = [](const char* name) {
    const char* value = getenv(name);
    return value == nullptr ? std::optional<std::string>() : std::optional<std::string>(value);
  };
  const auto home = remember("HOME");
  const auto state = remember("XDG_STATE_HOME");
  setenv("HOME", "/home/fox", 1);
  unsetenv("XDG_STATE_HOME");
  EXPECT_EQ(history_path(), "/home/fox/.local/state/sluice/chat_history");
  setenv("XDG_STATE_HOME", "/state", 1);
  EXPECT_EQ(history_path(), "/state/sluice/chat_history");
  unsetenv("HOME");
  unsetenv("XDG_STATE_HOME");
  EXPECT_TRUE(history_path().empty());
  if (home) setenv("HOME", home->c_str(), 1);
  if (state) setenv("XDG_STATE_HOME", state->c_str(), 1);
}

}  // namespace
}  // namespace sluice
