#include "cli/chat_line.h"

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr std::string_view kSpaces = " \t";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
}

ChatLine think_line(std::string_view argument) {
  if (argument == "on") return {ChatLine::Kind::kThinkOn, {}};
  if (argument == "off") return {ChatLine::Kind::kThinkOff, {}};
  return {ChatLine::Kind::kUnknown, "/think on lets the model reason first, /think off does not"};
}

ChatLine file_line(ChatLine::Kind kind, std::string_view name, std::string_view argument) {
  if (!argument.empty()) return {kind, std::string(argument)};
  return {ChatLine::Kind::kUnknown, fmt::format("/{} wants a file's name: /{} chat.json", name, name)};
}

}  // namespace

ChatLine parse_chat_line(std::string_view line) {
  if (trimmed(line).empty()) return {};
  if (!line.starts_with('/')) return {ChatLine::Kind::kMessage, std::string(trimmed(line))};
  const size_t end = std::min(line.find_first_of(kSpaces), line.size());
  const std::string_view name = line.substr(1, end - 1);
  const std::string_view argument = trimmed(line.substr(end));
  if (name == "think") return think_line(argument);
  if (name == "system") return {ChatLine::Kind::kSystem, std::string(argument)};
  if (name == "save") return file_line(ChatLine::Kind::kSave, name, argument);
  if (name == "load") return file_line(ChatLine::Kind::kLoad, name, argument);
  struct Plain {
    std::string_view name;
    ChatLine::Kind kind;
  };
  constexpr Plain kPlain[] = {{"help", ChatLine::Kind::kHelp},
                              {"clear", ChatLine::Kind::kClear},
                              {"stats", ChatLine::Kind::kStats},
                              {"quit", ChatLine::Kind::kQuit},
                              {"exit", ChatLine::Kind::kQuit}};
  for (const Plain& plain : kPlain) {
    if (name != plain.name) continue;
    if (argument.empty()) return {plain.kind, {}};
    return {ChatLine::Kind::kUnknown, fmt::format("/{} takes nothing after it", name)};
  }
  return {ChatLine::Kind::kUnknown, fmt::format("there is no /{}; /help shows the commands", name)};
}

std::string chat_help() {
  return "  /think on|off   let the model reason before it answers\n"
         "  /system TEXT    what the model shall be and do; without TEXT: nothing in particular\n"
         "  /clear          a new conversation\n"
         "  /save FILE      keep the conversation in a file\n"
         "  /load FILE      go on with one that was kept\n"
         "  /stats          what the answers cost, and how whoever answers is\n"
         "  /quit           leave (as does Ctrl-D)\n"
         "Ctrl-C stops an answer. A line that ends in \\ goes on in the next one.\n"
         "To send a message that starts with a slash, put a space before it.\n";
}

}  // namespace sluice
