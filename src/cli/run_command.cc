// sluice run: one prompt, one answer.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "cli/answer_printer.h"
#include "cli/chat_flags.h"
#include "cli/commands.h"
#include "cli/interrupts.h"
#include "cli/json_output.h"
#include "cli/live_figures.h"
#include "cli/model_options.h"
#include "cli/sampling_flags.h"
#include "cli/summary.h"
#include "cli/text_input.h"
#include "engine/loaded_model.h"
#include "engine/timeline_recorder.h"
#include "engine/trace_recorder.h"
#include "text/tokenizer.h"

namespace sluice {
namespace {

constexpr uint64_t kDefaultStoryTokens = 256;

struct RunOptions {
  ModelOptions model;
  TextInput input;
  SamplingFlags sampling;
  ChatFlags chat_flags;
  bool chat = false;
  std::optional<uint64_t> max_tokens;
  std::string trace_file;
  std::string timeline_file;
  LiveOptions live;
  bool summary = false;
  bool json = false;
};

// What a run came to.
struct RunOutcome {
  std::string text;                    // raw
  std::optional<ChatMessage> message;  // --chat
  SamplingOptions sampling;
  GenerationResult generated;
};

// One run, from the options to the exit code.
class Run {
 public:
  Run(const RunOptions& options, Console& console) : options_(options), console_(console) {}

  Result<ExitCode> execute() {
    SLUICE_TRY(check_flags(options_.sampling));
    SLUICE_TRY(read_prompt());
    SLUICE_ASSIGN(const auto system, system_message(options_.chat_flags));
    SLUICE_ASSIGN(const auto interrupts, Interrupts::catch_them());
    const bool takes_row = options_.live.live && console_.err.traits().rewrites;
    const InterruptWatch watch(interrupts, takes_row ? kReleaseRow : "");
    SLUICE_ASSIGN(engine_, open_engine(options_.model, console_, watch.token()));
    SLUICE_ASSIGN(GenerationRequest request, make_request(system));
    request.cancel = watch.token();
    SLUICE_TRY(start_trace(request));
    start_timeline(request);
    SLUICE_ASSIGN(RunOutcome outcome, options_.chat ? answer(std::move(request)) : tell(std::move(request)));
    report(outcome);
    if (recorder_) SLUICE_TRY(recorder_->finish());
    if (timeline_) SLUICE_TRY(write_timeline(timeline_->spans(), options_.timeline_file));
    if (watch.interrupted()) return ExitCode::kInterrupted;
    if (console_.out.reader_is_gone()) return ExitCode::kReaderGone;
    SLUICE_TRY(console_.out.status());
    return ExitCode::kOk;
  }

 private:
  Status read_prompt() {
    SLUICE_ASSIGN(prompt_, read_text(options_.input));
    if (options_.input.from_arguments()) return {};
    prompt_ = without_last_line_break(std::move(prompt_));
    if (!prompt_.empty()) return {};
    return fail(ErrorCode::kInvalidArgument, "{} is empty: there is no prompt",
                options_.input.file.empty() ? "standard input" : options_.input.file);
  }

  Result<GenerationRequest> make_request(const std::optional<ChatMessage>& system) {
    GenerationRequest request;
    request.sampling = apply_flags(options_.sampling, engine_->default_sampling());
    request.max_new_tokens = options_.max_tokens.value_or(options_.chat ? 0 : kDefaultStoryTokens);
    if (!options_.chat) {
      SLUICE_ASSIGN(request.context_ids, engine_->tokenize_prompt(prompt_));
      return request;
    }
    Conversation conversation;
    if (system) conversation.push_back(*system);
    conversation.push_back({.role = ChatRole::kUser, .content = prompt_});
    SLUICE_ASSIGN(const Prompt prompt, encode_chat(conversation, chat_options(options_.chat_flags)));
    request.context_ids = engine_->tokenizer()->encode(prompt);
    return request;
  }

  // --trace: watches the whole run.
  Status start_trace(GenerationRequest& request) {
    if (options_.trace_file.empty()) return {};
    const LoadedModel& loaded = engine_->loaded();
    const ExpertCatalog& catalog = loaded.expert_storage.catalog();
    const auto folder = std::filesystem::weakly_canonical(loaded.checkpoint.folder());
    SLUICE_ASSIGN(recorder_, TraceRecorder::create(
                                 options_.trace_file, folder.filename().string(), loaded.checkpoint.config(),
                                 catalog.total_bytes() / catalog.expert_count(), request.context_ids.size()));
    request.observer = &*recorder_;
    return {};
  }

  // --timeline: keeps the last token.
  void start_timeline(GenerationRequest& request) {
    if (options_.timeline_file.empty()) return;
    timeline_.emplace(*engine_->loaded().store);
    request.observer = &*timeline_;
  }

  // Generates, handing every token to `push`; the line about the prompt's progress goes first.
  template <class Push>
  Result<GenerationResult> generate(GenerationRequest& request, const Push& push) {
    SLUICE_ASSIGN(Session session, engine_->new_session());
    SLUICE_ASSIGN(LiveFigures figures, LiveFigures::start(options_.live, console_, *engine_));
    ProgressLine line(console_.err);
    request.on_prefill = [&, known = uint64_t{0}](uint64_t done, uint64_t total) mutable {
      figures.on_tokens(EnginePhase::kPrefill, done - std::exchange(known, done));
      if (!console_.quiet) line.update_tokens("reading the prompt", done, total);
    };
    // The first new token comes from the prompt's own pass.
    request.on_token = [&, passes = uint64_t{0}](int32_t id) mutable {
      line.clear();
      figures.on_tokens(EnginePhase::kDecode, std::exchange(passes, 1));
      push(id);
      return console_.out.status().has_value();  // nobody to write for: stop
    };
    auto generated = session.generate(request);
    if (const Status written = figures.finish(); generated && !written)
      return tl::unexpected(written.error());
    return generated;
  }

  // Raw: the prompt goes on.
  Result<RunOutcome> tell(GenerationRequest request) {
    Output nowhere = Output::none();
    Output& output = options_.json ? nowhere : console_.out;
    // A person reads the story from its start; a program has the prompt already.
    if (output.traits().terminal && options_.input.from_arguments()) {
      output.write(output.styled(Style::kDim, without_controls(prompt_)));
    }
    StoryPrinter printer(*engine_->tokenizer(), output);
    auto generated = generate(request, [&](int32_t id) { printer.push(id); });
    std::string text = printer.finish();
    if (!generated) return tl::unexpected(std::move(generated).error());
    return RunOutcome{std::move(text), std::nullopt, request.sampling, *std::move(generated)};
  }

  // --chat: the model answers.
  Result<RunOutcome> answer(GenerationRequest request) {
    Output nowhere = Output::none();
    Output& output = options_.json ? nowhere : console_.out;
    const bool shows_thinking =
        console_.err.traits().terminal && !options_.json && !options_.chat_flags.hide_thinking;
    const ThinkingMode mode = chat_options(options_.chat_flags).thinking_mode;
    AnswerPrinter printer(*engine_->tokenizer(), mode, {output, shows_thinking ? console_.err : nowhere});
    auto generated = generate(request, [&](int32_t id) { printer.push(id); });
    const bool ended = generated && generated->finish == FinishReason::kEndOfText;
    ChatMessage message = printer.finish(ended ? end_of_turn_text(*engine_) : "");
    if (!generated) return tl::unexpected(std::move(generated).error());
    return RunOutcome{"", std::move(message), request.sampling, *std::move(generated)};
  }

  void report(const RunOutcome& outcome) {
    if (options_.json) console_.out.write(json_line(as_json(outcome)));
    const bool wanted =
        options_.summary || console_.verbose || (console_.err.traits().terminal && !options_.json);
    if (!wanted || console_.quiet) return;
    std::string line = "sluice: " + summary_of(outcome.generated);
    const std::string reading = reading_summary_of(outcome.generated);
    if (console_.verbose) line += fmt::format("; seed {}", outcome.sampling.seed);
    if (console_.verbose && !reading.empty()) line += "\nsluice: " + reading;
    console_.err.write(console_.err.styled(Style::kDim, line) + "\n");
  }

  nlohmann::ordered_json as_json(const RunOutcome& outcome) const {
    nlohmann::ordered_json json;
    if (outcome.message) {
      json["text"] = outcome.message->content;
      json["reasoning"] = outcome.message->reasoning_content;
      json["tool_calls"] = nlohmann::ordered_json::array();
      for (const ToolCall& call : outcome.message->tool_calls) {
        json["tool_calls"].push_back({{"name", call.name}, {"arguments", call.arguments}});
      }
    } else {
      json["text"] = outcome.text;
    }
    json["ids"] = outcome.generated.ids;
    json["finish"] = finish_reason_name(outcome.generated.finish);
    json["sampling"] = to_json(outcome.sampling);
    json["stats"] = to_json(outcome.generated.stats);
    json["stream"] = stream_mode_name(engine_->stream_mode());
    json["threads"] = engine_->threads();
    json["memory_plan"] = to_json(engine_->memory_plan());
    return json;
  }

  const RunOptions& options_;
  Console& console_;
  std::string prompt_;
  std::unique_ptr<Engine> engine_;
  std::optional<TraceRecorder> recorder_;
  std::optional<TimelineRecorder> timeline_;
};

}  // namespace

Command add_run_command(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  auto* command = app.add_subcommand("run", "let the model go on with a text, or answer one message");
  add_text_input(*command, options->input, "the prompt; without one, standard input is read");
  auto* chat =
      command->add_flag("--chat", options->chat, "the prompt is a message, and the model answers it");
  command
      ->add_option("-n,--max-tokens", options->max_tokens,
                   "stop after N tokens; 0: no limit (default 256; --chat: 0)")
      ->type_name("N");
  command->add_flag("--summary", options->summary, "say what it cost, also when nobody is watching");
  command->add_flag("--json", options->json, "one JSON object instead of the text");
  command
      ->add_option("--trace", options->trace_file,
                   "record which experts are asked for, for sluice replay; kept in memory until the end")
      ->type_name("FILE");
  command
      ->add_option("--timeline", options->timeline_file,
                   "draw when what was read and computed for the last token: .svg, or .json for Perfetto")
      ->type_name("FILE")
      ->excludes("--trace");
  add_live_options(*command, options->live);
  add_sampling_flags(*command, options->sampling);
  add_chat_flags(*command, options->chat_flags);
  for (CLI::Option* option : command->get_options()) {
    if (option->get_group() == kChatGroup) option->needs(chat);
  }
  add_model_option(*command, options->model);
  add_streaming_options(*command, options->model);
  add_numerics_option(*command, options->model);
  add_sequence_options(*command, options->model);
  command->footer(
      "Examples:\n"
      "  sluice run \"Once upon a time\"\n"
      "  sluice run --chat --think \"What is 7 + 8?\"\n"
      "  sluice run --cache 25% --greedy --json -n 64 \"Once upon a time\" | jq .stats\n"
      "  sluice run --file chapter.txt > next-chapter.txt\n"
      "The text goes to standard output, everything else to standard error. Without --chat the model goes "
      "on\n"
      "where the prompt ends. The last line break of a file or a pipe is not part of the prompt.");
  return [options](Console& console) { return Run(*options, console).execute(); };
}

}  // namespace sluice
