#include "cli/chat_session.h"

#include <fmt/format.h>

#include "base/units.h"
#include "cli/answer_printer.h"
#include "cli/chat_line.h"
#include "cli/model_options.h"
#include "cli/print_error.h"
#include "cli/progress_line.h"
#include "cli/summary.h"
#include "text/tokenizer.h"

namespace sluice {

Status ChatSession::talk(LineReader& lines) {
  while (console_.out.status()) {
    SLUICE_ASSIGN(const auto line, next_line(lines));
    if (!line || !obey(*line)) return {};
  }
  return console_.out.status();
}

Result<std::optional<std::string>> ChatSession::next_line(LineReader& lines) {
  std::string text;
  bool warned = false;
  while (true) {
    SLUICE_ASSIGN(TypedLine typed, lines.read(text.empty() ? "> " : ". "));
    if (typed.kind == TypedLine::Kind::kInterrupted) {
      console_.err.write("\n");
      if (typed.text.empty() && text.empty() && warned) return std::optional<std::string>();
      warned = typed.text.empty() && text.empty();
      if (warned) say("Ctrl-C again, or Ctrl-D, leaves.");
      text.clear();
      continue;
    }
    if (typed.kind == TypedLine::Kind::kEnd) {
      if (console_.err.traits().terminal) console_.err.write("\n");
      return text.empty() ? std::optional<std::string>() : std::optional(std::move(text));
    }
    text += typed.text;
    if (!text.ends_with('\\')) return std::optional(std::move(text));
    text.back() = '\n';
  }
}

bool ChatSession::obey(const std::string& line) {
  ChatLine command = parse_chat_line(line);
  switch (command.kind) {
    case ChatLine::Kind::kNothing:
      break;
    case ChatLine::Kind::kMessage:
      answer(std::move(command.text));
      break;
    case ChatLine::Kind::kHelp:
      console_.err.write(chat_help());
      break;
    case ChatLine::Kind::kClear:
      turns_.clear();
      session_.clear();
      say("A new conversation.");
      break;
    case ChatLine::Kind::kThinkOn:
    case ChatLine::Kind::kThinkOff: {
      const bool on = command.kind == ChatLine::Kind::kThinkOn;
      settings_.options.thinking_mode = on ? ThinkingMode::kThinking : ThinkingMode::kChat;
      say(on ? "The model thinks first." : "The model answers at once.");
      break;
    }
    case ChatLine::Kind::kSystem:
      set_system(std::move(command.text));
      break;
    case ChatLine::Kind::kStats:
      show_stats();
      break;
    case ChatLine::Kind::kQuit:
      return false;
    case ChatLine::Kind::kUnknown:
      say(command.text);
      break;
  }
  return true;
}

void ChatSession::answer(std::string message) {
  Conversation conversation;
  if (settings_.system) conversation.push_back(*settings_.system);
  conversation.insert(conversation.end(), turns_.begin(), turns_.end());
  conversation.push_back({.role = ChatRole::kUser, .content = std::move(message)});
  auto answered = generate(conversation);
  if (!answered) {
    print_error(console_.err, answered.error());
    say("Your message was not kept; the conversation goes on without it.");
    return;
  }
  turns_.push_back(std::move(conversation.back()));
  turns_.push_back(*std::move(answered));
}

Result<ChatMessage> ChatSession::generate(const Conversation& conversation) {
  SLUICE_ASSIGN(const Prompt prompt, encode_chat(conversation, settings_.options));
  const InterruptWatch watch(interrupts_);
  GenerationRequest request;
  request.context_ids = engine_.tokenizer()->encode(prompt);
  request.max_new_tokens = settings_.max_tokens;
  request.sampling = apply_flags(settings_.sampling, engine_.default_sampling());
  request.cancel = watch.token();
  Output nowhere = Output::none();
  const bool shows_thinking = console_.err.traits().terminal && !settings_.hide_thinking;
  AnswerPrinter printer(*engine_.tokenizer(), settings_.options.thinking_mode, console_.out,
                        shows_thinking ? console_.err : nowhere);
  ProgressLine line(console_.err);
  if (!console_.quiet) {
    request.on_prefill = [&](uint64_t done, uint64_t total) { line.update_tokens("reading", done, total); };
  }
  request.on_token = [&](int32_t id) {
    line.clear();
    printer.push(id);
    return console_.out.status().has_value();
  };
  auto generated = session_.generate(request);
  line.clear();
  const bool ended = generated && generated->finish == FinishReason::kEndOfText;
  ChatMessage message = printer.finish(ended ? end_of_turn_text(engine_) : "");
  if (!generated) return tl::unexpected(std::move(generated).error());
  last_ = *std::move(generated);
  ++answers_;
  new_tokens_ += last_->stats.new_tokens;
  if (console_.verbose) say(summary_of(*last_));
  if (last_->finish == FinishReason::kContextFull)
    say("The context is full: /clear starts a new conversation.");
  return message;
}

void ChatSession::set_system(std::string text) {
  std::vector<std::string> tools;
  if (settings_.system) tools = settings_.system->tools;
  const bool empty = text.empty() && tools.empty();
  say(text.empty() ? "No system message." : "The system message is set.");
  settings_.system =
      ChatMessage{.role = ChatRole::kSystem, .content = std::move(text), .tools = std::move(tools)};
  if (empty) settings_.system.reset();
}

void ChatSession::show_stats() {
  if (last_) say("last answer: " + summary_of(*last_));
  const StreamCounters totals = engine_.counters();
  say(fmt::format(
      "in all: {} answers, {} tokens; {} expert hits, {} misses, {} read in {} reads, {} evictions, "
      "{} failed reads",
      answers_, new_tokens_, totals.hits, totals.misses, format_bytes(totals.read_bytes), totals.reads,
      totals.evictions, totals.failed_reads));
  say(fmt::format("context: {} of {} tokens", session_.tokens_held(), session_.context_tokens()));
  console_.err.write(describe_plan(engine_.memory_plan(), engine_.stream_mode()));
}

void ChatSession::say(std::string_view text) {
  if (!console_.quiet) console_.err.write(console_.err.styled(Style::kDim, text) + "\n");
}

}  // namespace sluice
