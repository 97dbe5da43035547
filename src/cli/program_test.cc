#include "cli/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/model_options.h"
#include "cli/test_output.h"

namespace sluice {
namespace {

using testing::CapturedOutput;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Ran {
  ExitCode code;
  std::string out;
  std::string err;
};

Ran run(std::vector<const char*> arguments) {
  CapturedOutput out, err;
  Console console{out.output, err.output};
  arguments.insert(arguments.begin(), "sluice");
  const ExitCode code = run_program(static_cast<int>(arguments.size()), arguments.data(), console);
  return {code, out.text(), err.text()};
}

TEST(Program, AloneTeachesWhatItCanDo) {
  const Ran alone = run({});
  EXPECT_EQ(alone.code, ExitCode::kOk);
  EXPECT_THAT(alone.out, HasSubstr("sluice run \"Once upon a time\""));
  EXPECT_EQ(alone.err, "");
  EXPECT_EQ(run({"help"}).out, alone.out);
}

TEST(Program, HelpOfEveryCommandHasAnExample) {
  for (const char* command : {"run", "chat", "inspect", "tokenize", "prompt", "verify", "perplexity",
                              "replay", "plan", "checksum", "synth", "serve", "doctor"}) {
    const Ran help = run({command, "--help"});
    EXPECT_EQ(help.code, ExitCode::kOk);
    EXPECT_THAT(help.out, HasSubstr("Example")) << command;
    EXPECT_THAT(help.out, HasSubstr(std::string("sluice ") + command)) << command;
    EXPECT_EQ(run({"help", command}).out, help.out);
  }
}

TEST(Program, HelpListsTheExitCodes) {
  EXPECT_THAT(run({"--help"}).out, HasSubstr(exit_code_help()));
}

TEST(Program, ShowsItsVersion) {
  EXPECT_THAT(run({"--version"}).out, StartsWith("sluice "));
}

TEST(Program, NamesWhatItDoesNotUnderstand) {
  const Ran flag = run({"run", "--bogus", "text"});
  EXPECT_EQ(flag.code, ExitCode::kUsage);
  EXPECT_EQ(flag.out, "");
  EXPECT_THAT(flag.err, StartsWith("sluice: error: "));
  EXPECT_THAT(flag.err, HasSubstr("--bogus"));
  EXPECT_THAT(flag.err, HasSubstr("sluice run --help"));
  EXPECT_EQ(run({"bogus"}).code, ExitCode::kUsage);
  EXPECT_EQ(run({"help", "bogus"}).code, ExitCode::kUsage);
  EXPECT_EQ(run({"run", "--greedy", "--temperature", "1", "text"}).code, ExitCode::kUsage);
  EXPECT_EQ(run({"run", "--think", "text"}).code, ExitCode::kUsage);  // without --chat
  EXPECT_EQ(run({"run", "--threads", "-1", "text"}).code, ExitCode::kUsage);
  EXPECT_EQ(run({"run", "--stream", "tape", "text"}).code, ExitCode::kUsage);
  EXPECT_EQ(run({"verify"}).code, ExitCode::kUsage);
}

TEST(Program, TakesACommandsNameAsText) {
  const Ran tokenized = run({"tokenize", "verify", "-m", SLUICE_SOURCE_DIR "/models/tiny-v4"});
  EXPECT_EQ(tokenized.code, ExitCode::kOk) << tokenized.err;
  EXPECT_NE(tokenized.out, "");
}

TEST(EngineOptionsOfModelOptions, RefuseWhatWouldBeIgnored) {
  ModelOptions options;
  options.folder = "/somewhere";
  options.cache = "25%";
  EXPECT_EQ(engine_options(options)->cache->percent, 25);
  options.stream = "mmap";
  ASSERT_FALSE(engine_options(options));
  EXPECT_THAT(engine_options(options).error().message, HasSubstr("--stream direct"));
  options.cache = "";
  EXPECT_TRUE(engine_options(options));
  options.reader = "uring";
  EXPECT_FALSE(engine_options(options));
  options.stream = "direct";
  EXPECT_EQ(engine_options(options)->reader, ReaderKind::kUring);
  options.cache = "lots";
  ASSERT_FALSE(engine_options(options));
  EXPECT_THAT(engine_options(options).error().message, StartsWith("--cache: "));
}

}  // namespace
}  // namespace sluice
