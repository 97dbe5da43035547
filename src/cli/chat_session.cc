#include "cli/chat_session.h"

#include <fmt/format.h>

#include "cli/chat_file.h"
#include "cli/chat_line.h"
#include "cli/print_error.h"
#include "cli/status_line.h"

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
      clear();
      break;
    case ChatLine::Kind::kThinkOn:
    case ChatLine::Kind::kThinkOff:
      think(command.kind == ChatLine::Kind::kThinkOn);
      break;
    case ChatLine::Kind::kSystem:
      set_system(std::move(command.text));
      break;
    case ChatLine::Kind::kSave:
      save(command.text);
      break;
    case ChatLine::Kind::kLoad:
      load(command.text);
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
  auto answered = reply_to(conversation);
  if (!answered) {
    print_error(console_.err, answered.error());
    say("Your message was not kept; the conversation goes on without it.");
    return;
  }
  turns_.push_back(std::move(conversation.back()));
  turns_.push_back(*std::move(answered));
}

Result<ChatMessage> ChatSession::reply_to(const Conversation& conversation) {
  const InterruptWatch watch(interrupts_, console_.err.traits().rewrites ? kReleaseRow : "");
  Output nowhere = Output::none();
  const bool shows_thinking = console_.err.traits().terminal && !settings_.hide_thinking;
  const TurnPrinter printer(console_.out, shows_thinking ? console_.err : nowhere);
  SLUICE_ASSIGN(ChatPartner::Reply reply,
                partner_.answer(conversation, settings_.options, printer, watch.token()));
  last_cost_ = std::move(reply.cost);
  ++answers_;
  new_tokens_ += reply.new_tokens;
  if (console_.verbose || watch.interrupted()) say(last_cost_);
  if (reply.context_full) say("The context is full: /clear starts a new conversation.");
  return std::move(reply.message);
}

void ChatSession::clear() {
  turns_.clear();
  partner_.forget();
  say("A new conversation.");
}

void ChatSession::think(bool on) {
  settings_.options.thinking_mode = on ? ThinkingMode::kThinking : ThinkingMode::kChat;
  say(on ? "The model thinks first." : "The model answers at once.");
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

void ChatSession::save(const std::string& file) {
  const auto path = path_as_typed(file);
  const Status saved = save_chat(
      path, {settings_.system, turns_, settings_.options.thinking_mode, settings_.options.reasoning_effort});
  if (!saved) return print_error(console_.err, saved.error());
  say(fmt::format("{} messages are kept in {}.", turns_.size() + (settings_.system ? 1 : 0), path.string()));
}

void ChatSession::load(const std::string& file) {
  const auto path = path_as_typed(file);
  auto chat = load_chat(path);
  if (!chat) return print_error(console_.err, chat.error());
  settings_.system = std::move(chat->system);
  settings_.options.thinking_mode = chat->thinking_mode;
  settings_.options.reasoning_effort = chat->reasoning_effort;
  turns_ = std::move(chat->turns);
  partner_.forget();
  say(fmt::format("{} messages from {}; {}.", turns_.size() + (settings_.system ? 1 : 0), path.string(),
                  chat->thinking_mode == ThinkingMode::kThinking ? "the model thinks first"
                                                                 : "the model answers at once"));
  if (!turns_.empty()) say("The last answer was: " + without_controls(turns_.back().content));
}

void ChatSession::show_stats() {
  if (!last_cost_.empty()) say("last answer: " + last_cost_);
  say(fmt::format("in all: {} answer{}, {} tokens; the conversation has {} messages", answers_,
                  answers_ == 1 ? "" : "s", new_tokens_, turns_.size()));
  const InterruptWatch watch(interrupts_);
  const auto state = partner_.state(watch.token());
  if (!state) return print_error(console_.err, state.error());
  console_.err.write(console_.err.styled(Style::kDim, without_controls(*state)));
}

void ChatSession::say(std::string_view text) {
  if (!console_.quiet) console_.err.write(console_.err.styled(Style::kDim, text) + "\n");
}

}  // namespace sluice
