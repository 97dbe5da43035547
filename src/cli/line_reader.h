// Lines that somebody types, or that come through a pipe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cli/console.h"
#include "cli/interrupts.h"

namespace sluice {

struct TypedLine {
  enum class Kind {
    kLine,
    kEnd,          // Ctrl-D, the end of a file
    kInterrupted,  // Ctrl-C; text is what had been typed
  };
  Kind kind = Kind::kLine;
  std::string text;  // without its line break
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  // Waits for the next line. `prompt` is shown where somebody is typing.
  virtual Result<TypedLine> read(std::string_view prompt) = 0;
};

// Reads standard input: with line editing and history where a person types at a capable terminal, plain
// otherwise. `console` and `interrupts` must outlive it.
std::unique_ptr<LineReader> make_line_reader(Console& console, const Interrupts& interrupts);

// Waits until `descriptor` can be read, true, or Ctrl-C was pressed (and taken), false.
bool wait_for_input(int descriptor, const Interrupts& interrupts);

}  // namespace sluice
