#include "cli/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "cli/test_output.h"

namespace sluice {
namespace {

using testing::CapturedOutput;
using ::testing::HasSubstr;
using testing::kColourTerminal;
using testing::kPipe;
using testing::kPlainTerminal;

TEST(Output, ColoursOnlyWhereTheyAreWanted) {
  EXPECT_EQ(CapturedOutput(kColourTerminal).output.styled(Style::kRed, "no"), "\x1b[31mno\x1b[0m");
  EXPECT_EQ(CapturedOutput(kPlainTerminal).output.styled(Style::kRed, "no"), "no");
  EXPECT_EQ(CapturedOutput(kPipe).output.styled(Style::kRed, "no"), "no");
}

TEST(Output, LetsNoForeignTextControlATerminal) {
  CapturedOutput terminal(kColourTerminal);
  terminal.output.write_foreign("a\x1b[2J\tb\u009b1m\r\n\x7f\u00e9");
  EXPECT_EQ(terminal.text(), "a\uFFFD[2J\tb\uFFFD1m\uFFFD\n\uFFFD\u00e9");
}

TEST(Output, GivesProgramsForeignTextByteForByte) {
  CapturedOutput pipe(kPipe);
  pipe.output.write_foreign("a\x1b[2J\r\n");
  EXPECT_EQ(pipe.text(), "a\x1b[2J\r\n");
}

TEST(Output, EndsALineOnlyWhenSomethingStandsOnIt) {
  CapturedOutput captured;
  captured.output.end_line();
  captured.output.write("a");
  captured.output.end_line();
  captured.output.end_line();
  captured.output.write("b\n");
  captured.output.end_line();
  EXPECT_EQ(captured.text(), "a\nb\n");
}

TEST(Output, KeepsTheReasonWhenTheDeviceIsFull) {
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  Output output(full, kPipe);
  output.write("text");
  ASSERT_FALSE(output.status());
  EXPECT_EQ(output.status().error().code, ErrorCode::kIo);
  EXPECT_THAT(output.status().error().message, HasSubstr("No space left"));
  EXPECT_FALSE(output.reader_is_gone());
  close(full);
}

TEST(Output, NoticesThatTheReaderHasLeft) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  Output output(ends[1], kPipe);
  output.write("text");
  EXPECT_TRUE(output.reader_is_gone());
  close(ends[1]);
  std::signal(SIGPIPE, SIG_DFL);
}

TEST(Output, NoneSwallowsEverythingWithoutAnError) {
  Output nowhere = Output::none();
  nowhere.write("text");
  EXPECT_TRUE(nowhere.status());
}

}  // namespace
}  // namespace sluice
