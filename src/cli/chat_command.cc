// sluice chat: a conversation at the terminal, or line by line from a pipe.
#include <CLI/CLI.hpp>

#include "cli/chat_flags.h"
#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/line_reader.h"
#include "cli/model_options.h"

namespace sluice {
namespace {

struct ChatCommandOptions {
  ModelOptions model;
  SamplingFlags sampling;
  ChatFlags chat;
  uint64_t max_tokens = 0;
};

Result<std::unique_ptr<Engine>> open_for_chat(const ChatCommandOptions& options, Console& console,
                                              const Interrupts& interrupts) {
  const InterruptWatch watch(interrupts);
  return open_engine(options.model, console, watch.token());
}

Result<ExitCode> chat(const ChatCommandOptions& options, Console& console) {
  SLUICE_TRY(check_flags(options.sampling));
  ChatSettings settings;
  SLUICE_ASSIGN(settings.system, system_message(options.chat));
  settings.options = chat_options(options.chat);
  settings.sampling = options.sampling;
  settings.max_tokens = options.max_tokens;
  settings.hide_thinking = options.chat.hide_thinking;
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  SLUICE_ASSIGN(const auto engine, open_for_chat(options, console, interrupts));
  SLUICE_ASSIGN(Session session, engine->new_session());
  const auto lines = make_line_reader(console, interrupts);
  if (console.err.traits().terminal && !console.quiet) {
    console.err.write(console.err.styled(Style::kDim, "/help shows the commands, Ctrl-D leaves.") + "\n");
  }
  ChatSession conversation(*engine, std::move(session), std::move(settings), console, interrupts);
  SLUICE_TRY(conversation.talk(*lines));
  return ExitCode::kOk;
}

}  // namespace

Command add_chat_command(CLI::App& app) {
  auto options = std::make_shared<ChatCommandOptions>();
  auto* command = app.add_subcommand("chat", "talk with the model, turn by turn");
  command
      ->add_option("-n,--max-tokens", options->max_tokens, "the most tokens of an answer; default: no limit")
      ->type_name("N");
  add_chat_flags(*command, options->chat);
  add_sampling_flags(*command, options->sampling);
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_numerics_option(*command, options->model, "exact");
  add_sequence_options(*command, options->model);
  command->footer(
      "Examples:\n"
      "  sluice chat\n"
      "  sluice chat --think --system \"You are a kind storyteller.\"\n"
      "  printf 'Hello.\\nWhat is 7 + 8?\\n' | sluice chat      # a line is a turn\n"
      "Inside, /help shows the commands. Ctrl-C stops an answer; twice at an empty line, or Ctrl-D, leaves.");
  return [options](Console& console) { return chat(*options, console); };
}

}  // namespace sluice
