#include "cli/program.h"

#include <CLI/CLI.hpp>
#include <map>

#include "base/fail.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/print_error.h"

namespace sluice {
namespace {

constexpr const char* kOverview =
    "sluice runs mixture-of-experts models that are larger than memory.\n"
    "\n"
    "Try:\n"
    "  sluice run \"Once upon a time\"             the model goes on with a text\n"
    "  sluice run --chat \"What is 7 + 8?\"        the model answers a message\n"
    "  sluice chat                               a conversation; /help inside\n"
    "  sluice serve                              an HTTP server that OpenAI's and Anthropic's clients know\n"
    "  sluice inspect                            what the model is, what fits in this machine\n"
    "  sluice plan                               where memory would go here, how fast it would be\n"
    "  sluice doctor                             does it run here, and what would make it faster\n"
    "\n"
    "And:\n"
    "  sluice tokenize \"Once upon a time\"        text to token ids, and back\n"
    "  sluice prompt messages.json               a conversation as the model sees it\n"
    "  sluice verify --reference FILE            does it compute what another implementation did?\n"
    "  sluice perplexity FILE                    how well the model predicts a text\n"
    "  sluice checksum DIR                       record a digest of every expert, or look for damage\n"
    "  sluice synth DIR                          write a checkpoint of random weights, to measure with\n"
    "  sluice replay --trace FILE                which experts are best kept in memory\n"
    "  sluice bench io                           what the disk gives to the engine's own reader\n"
    "  sluice bench memory                       what plain reading of memory brings\n"
    "\n"
    "These use the small model in models/tiny-v4. Name another one with -m FOLDER or $SLUICE_MODEL,\n"
    "and say how much memory its experts may take with --cache 8GB or --cache 25%.\n"
    "sluice COMMAND --help shows all options of a command, sluice --help the exit codes.\n";

// CLI11's help without the lists of options that go with or against each other: an error says that when it
// matters.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name().empty() ? "" : " " + option->get_type_name();
    return type + (option->get_required() ? " (needed)" : "");
  }
};

// The parser and what its subcommands do. The options that are parsed live in the commands.
struct Program {
  CLI::App app{
      "Runs mixture-of-experts models that are larger than memory, streaming their experts from disk."};
  std::map<const CLI::App*, Command> commands;
  std::string help_subject;
};

Result<ExitCode> explain(const Program& program, Console& console) {
  if (program.help_subject.empty()) {
    console.out.write(kOverview);
    return ExitCode::kOk;
  }
  for (const auto& [parser, command] : program.commands) {
    if (parser->get_name() != program.help_subject) continue;
    console.out.write(parser->help("sluice"));
    return ExitCode::kOk;
  }
  return fail(ErrorCode::kInvalidArgument, "there is no command \"{}\"; sluice help shows them",
              program.help_subject);
}

void add_output_flags(CLI::App& command, Console& console) {
  auto* quiet = command.add_flag("-q,--quiet", console.quiet, "nothing but results and errors");
  command.add_flag("-v,--verbose", console.verbose, "more about what happens")->excludes(quiet);
}

void declare(Program& program, Console& console) {
  CLI::App& app = program.app;
  app.name("sluice");
  app.set_version_flag("--version", "sluice " SLUICE_VERSION, "show the version");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "show this help");
  app.require_subcommand(0, 1);
  app.footer(exit_code_help());
  for (const auto add :
       {add_run_command, add_chat_command, add_serve_command, add_inspect_command, add_tokenize_command,
        add_prompt_command, add_verify_command, add_perplexity_command, add_replay_command, add_bench_command,
        add_synth_command, add_checksum_command, add_plan_command, add_doctor_command}) {
    Command command = add(app);
    CLI::App* parser = app.get_subcommands([](CLI::App*) { return true; }).back();
    add_output_flags(*parser, console);
    program.commands[parser] = std::move(command);
  }
  CLI::App* help = app.add_subcommand("help", "explain a command");
  help->add_option("command", program.help_subject, "which one")->type_name("");
  program.commands[help] = [&program](Console& to) -> Result<ExitCode> { return explain(program, to); };
}

// The subcommand that was named, or null.
const CLI::App* chosen(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? nullptr : parsed.front();
}

// --help and --version end parsing too; anything else is a mistake.
ExitCode end_of_parsing(const CLI::ParseError& end, const CLI::App& app, Console& console) {
  const CLI::App* subject = chosen(app);
  if (end.get_exit_code() == 0) {
    std::ostringstream out, err;
    app.exit(end, out, err);
    console.out.write(out.str());
    return ExitCode::kOk;
  }
  const std::string command = subject == nullptr ? "sluice" : "sluice " + subject->get_name();
  print_error(console.err, {ErrorCode::kInvalidArgument, end.what()});
  console.err.write(command + " --help shows what there is.\n");
  return ExitCode::kUsage;
}

ExitCode run_command(const Command& command, Console& console) {
  if (console.verbose) set_log_level(LogLevel::kInfo);
  if (console.quiet) set_log_level(LogLevel::kError);
  const auto done = command(console);
  if (console.out.reader_is_gone()) return ExitCode::kReaderGone;
  if (!done) {
    print_error(console.err, done.error());
    return exit_code_of(done.error().code);
  }
  if (const Status& written = console.out.status(); !written) {
    print_error(console.err, written.error());
    return exit_code_of(written.error().code);
  }
  return *done;
}

}  // namespace

ExitCode run_program(int argument_count, const char* const* arguments, Console& console) {
  Program program;
  declare(program, console);
  try {
    program.app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& end) {
    return end_of_parsing(end, program.app, console);
  }
  const CLI::App* command = chosen(program.app);
  if (command == nullptr) {
    console.out.write(kOverview);
    return ExitCode::kOk;
  }
  return run_command(program.commands.at(command), console);
}

}  // namespace sluice
