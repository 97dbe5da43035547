#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "cli/edited_lines.h"
#include "cli/plain_lines.h"

namespace sluice {

std::unique_ptr<LineReader> make_line_reader(Console& console, const Interrupts& interrupts) {
  // The line is drawn where the person looks: on standard output, or on standard error when that goes
  // elsewhere.
  const OutputTraits out = console.out.traits();
  const OutputTraits err = console.err.traits();
  if (isatty(STDIN_FILENO) == 1 && (out.rewrites || err.rewrites)) {
    auto edited = EditedLines::open(out.rewrites ? stdout : stderr, interrupts);
    if (edited) return edited;
  }
  return std::make_unique<PlainLines>(STDIN_FILENO, out.terminal ? console.out : console.err, interrupts);
}

bool wait_for_input(int descriptor, const Interrupts& interrupts) {
  while (true) {
    pollfd waiting[] = {{descriptor, POLLIN, 0}, {interrupts.descriptor(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return true;  // reading will say what is wrong
    }
    if ((waiting[1].revents & POLLIN) != 0 && interrupts.take()) return false;
    if (waiting[0].revents != 0) return true;
  }
}

}  // namespace sluice
