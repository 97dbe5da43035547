// sluice chat: a conversation at the terminal, or line by line from a pipe.
#include <CLI/CLI.hpp>

#include "cli/chat_flags.h"
#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/engine_partner.h"
#include "cli/line_reader.h"
#include "cli/model_options.h"
#include "cli/server_partner.h"

namespace sluice {
namespace {

struct ChatCommandOptions {
  ModelOptions model;
  SamplingFlags sampling;
  ChatFlags chat;
  uint64_t max_tokens = 0;
  bool no_live = false;
  std::string server;  // --connect; empty: the model runs here
  std::string api_key;
};

// Talks until the person leaves. `greeting` is shown where somebody sits.
Result<ExitCode> talk(const std::string& greeting, ChatSettings settings, ChatPartner& partner,
                      Console& console, const Interrupts& interrupts) {
  const auto lines = make_line_reader(console, interrupts);
  if (console.err.traits().terminal && !console.quiet)
    console.err.write(console.err.styled(Style::kDim, greeting + "/help shows the commands, Ctrl-D leaves.") +
                      "\n");
  ChatSession conversation(partner, std::move(settings), console, interrupts);
  SLUICE_TRY(conversation.talk(*lines));
  return ExitCode::kOk;
}

Result<ExitCode> talk_with_engine(const ChatCommandOptions& options, ChatSettings settings, Console& console,
                                  const Interrupts& interrupts) {
  std::unique_ptr<Engine> engine;
  {
    const InterruptWatch watch(interrupts);
    SLUICE_ASSIGN(engine, open_engine(options.model, console, watch.token()));
  }
  SLUICE_ASSIGN(Session session, engine->new_session());
  const LiveOptions live{.live = !options.no_live, .after = kLiveAfter};
  EnginePartner partner(*engine, std::move(session), {options.sampling, options.max_tokens, live}, console);
  return talk("", std::move(settings), partner, console, interrupts);
}

Result<ExitCode> talk_with_server(const ChatCommandOptions& options, ChatSettings settings, Console& console,
                                  const Interrupts& interrupts) {
  SLUICE_ASSIGN(HttpClient client, HttpClient::make(options.server, options.api_key));
  std::unique_ptr<ServerPartner> partner;
  {
    const InterruptWatch watch(interrupts);
    SLUICE_ASSIGN(partner, ServerPartner::connect(std::move(client),
                                                  {options.sampling, options.max_tokens, !options.no_live},
                                                  console, watch.token()));
  }
  const std::string greeting =
      "This is " + without_controls(partner->model()) + " at " + partner->address() + ". ";
  return talk(greeting, std::move(settings), *partner, console, interrupts);
}

Result<ExitCode> chat(const ChatCommandOptions& options, Console& console) {
  SLUICE_TRY(check_flags(options.sampling));
  ChatSettings settings;
  SLUICE_ASSIGN(settings.system, system_message(options.chat));
  settings.options = chat_options(options.chat);
  settings.hide_thinking = options.chat.hide_thinking;
  SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
  const auto with = options.server.empty() ? talk_with_engine : talk_with_server;
  return with(options, std::move(settings), console, interrupts);
}

// What says how a model runs here says nothing to a server.
void add_connect_options(CLI::App& command, ChatCommandOptions& options) {
  const std::vector<CLI::Option*> of_model =
      command.get_options([](const CLI::Option* option) { return option->get_group() == "Model"; });
  constexpr const char* kGroup = "Server";
  CLI::Option* connect =
      command
          .add_option("--connect", options.server, "talk with the model of a server, as sluice serve is one")
          ->type_name("URL")
          ->group(kGroup);
  for (CLI::Option* option : of_model) connect->excludes(option);
  command.add_option("--api-key", options.api_key, "the server's key; better in $SLUICE_API_KEY")
      ->envname("SLUICE_API_KEY")
      ->type_name("KEY")
      ->group(kGroup);
}

}  // namespace

Command add_chat_command(CLI::App& app) {
  auto options = std::make_shared<ChatCommandOptions>();
  options->model.keep_prompts = true;  // thoughts leave the conversation with the next message
  auto* command = app.add_subcommand("chat", "talk with the model, turn by turn");
  command
      ->add_option("-n,--max-tokens", options->max_tokens, "the most tokens of an answer; default: no limit")
      ->type_name("N");
  command->add_flag("--no-live", options->no_live,
                    "no figures in the terminal's last row while a longer answer is written");
  add_chat_flags(*command, options->chat);
  add_sampling_flags(*command, options->sampling);
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_numerics_option(*command, options->model);
  add_sequence_options(*command, options->model);
  add_connect_options(*command, *options);
  command->footer(
      "Examples:\n"
      "  sluice chat\n"
      "  sluice chat --think --system \"You are a kind storyteller.\"\n"
      "  printf 'Hello.\\nWhat is 7 + 8?\\n' | sluice chat      # a line is a turn\n"
      "  sluice chat --connect http://127.0.0.1:8080           # with a running sluice serve\n"
      "Inside, /help shows the commands. Ctrl-C stops an answer; twice at an empty line, or Ctrl-D, leaves.");
  return [options](Console& console) { return chat(*options, console); };
}

}  // namespace sluice
