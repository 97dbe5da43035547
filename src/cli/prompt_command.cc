// sluice prompt: what the model sees of a conversation.
#include <CLI/CLI.hpp>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/load_tokenizer.h"
#include "cli/messages_file.h"
#include "cli/model_options.h"
#include "cli/text_input.h"

namespace sluice {
namespace {

struct PromptOptions {
  ModelOptions model;
  std::string messages_file;
  bool thinking = false;
  std::string effort = "default";
  bool keep_thinking = false;
  bool no_bos = false;
  bool ids = false;
};

Result<ExitCode> show_prompt(const PromptOptions& options, Console& console) {
  SLUICE_ASSIGN(const std::string json, read_file_or_input(options.messages_file));
  const std::string name = options.messages_file == "-" ? "standard input" : options.messages_file;
  SLUICE_ASSIGN(const Conversation messages, parse_messages_file(json, name));
  ChatOptions chat;
  chat.thinking_mode = options.thinking ? ThinkingMode::kThinking : ThinkingMode::kChat;
  chat.drop_thinking = !options.keep_thinking;
  SLUICE_ASSIGN(chat.reasoning_effort, parse_reasoning_effort(options.effort));
  chat.add_bos = !options.no_bos;
  auto prompt = encode_chat(messages, chat);
  if (!prompt) return tl::unexpected(std::move(prompt).error().in(name));
  if (!options.ids) {
    console.out.write(prompt->text);
    return ExitCode::kOk;
  }
  SLUICE_ASSIGN(const Tokenizer tokenizer, load_model_tokenizer(options.model.folder));
  console.out.write(ids_line(tokenizer.encode(*prompt)));
  return ExitCode::kOk;
}

}  // namespace

Command add_prompt_command(CLI::App& app) {
  auto options = std::make_shared<PromptOptions>();
  auto* command = app.add_subcommand("prompt", "messages as the model sees them, byte for byte");
  command
      ->add_option("messages,--messages", options->messages_file,
                   "JSON: messages in OpenAI's shape, or {\"messages\": ...}; - is standard input")
      ->type_name("FILE")
      ->required();
  command->add_flag("--thinking,--think", options->thinking, "the model reasons before it answers");
  command->add_option("--effort", options->effort, "of the reasoning: default, high or max")
      ->check(CLI::IsMember({"default", "high", "max"}).description(""))
      ->type_name("EFFORT");
  command->add_flag("--keep-thinking", options->keep_thinking, "keep the reasoning of earlier turns");
  command->add_flag("--no-bos", options->no_bos, "leave the token out that begins a text");
  command->add_flag("--ids", options->ids, "token ids instead of text");
  add_model_option(*command, options->model);
  command->footer(
      "Examples:\n"
      "  echo '[{\"role\": \"user\", \"content\": \"Hi\"}]' | sluice prompt -\n"
      "  sluice prompt --messages chat.json --thinking --effort max --ids\n"
      "The text has no line break at its end that is not part of the prompt.");
  return [options](Console& console) { return show_prompt(*options, console); };
}

}  // namespace sluice
