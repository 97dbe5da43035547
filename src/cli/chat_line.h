// What a line typed into a chat means.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

struct ChatLine {
  enum class Kind {
    kNothing,
    kMessage,
    kHelp,
    kClear,
    kThinkOn,
    kThinkOff,
    kSystem,
    kSave,
    kLoad,
    kStats,
    kQuit,
    kUnknown
  };
  Kind kind = Kind::kNothing;
  std::string
      text;  // kMessage: the message; kSystem, kSave, kLoad: the argument; kUnknown: what is wrong with it
};

// A line that starts with a slash is a command; one that starts with a space is a message, whatever follows.
ChatLine parse_chat_line(std::string_view line);

// What /help shows.
std::string chat_help();

}  // namespace sluice
