#include "cli/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fail.h"

namespace sluice {
namespace {

bool variable_is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

const char* code_of(Style style) {
  switch (style) {
    case Style::kDim:
      return "\x1b[2m";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
  }
  return "";
}

// Waits until a descriptor that somebody made non-blocking takes more.
void wait_until_writable(int descriptor) {
  pollfd wanted{descriptor, POLLOUT, 0};
  poll(&wanted, 1, -1);
}

}  // namespace

OutputTraits OutputTraits::of(int descriptor) {
  OutputTraits traits;
  traits.terminal = isatty(descriptor) == 1;
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || *kind == '\0' || std::string_view(kind) == "dumb";
  traits.rewrites = traits.terminal && !dumb;
  traits.colour = traits.rewrites && !variable_is_set("NO_COLOR");
  return traits;
}

void Output::write(std::string_view text) {
  if (descriptor_ < 0 || !status_ || text.empty()) return;
  at_line_start_ = text.back() == '\n';
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      wait_until_writable(descriptor_);
    } else if (errno != EINTR) {
      reader_is_gone_ = errno == EPIPE;
      status_ = fail(ErrorCode::kIo, "cannot write to standard {}: {}",
                     descriptor_ == STDERR_FILENO ? "error" : "output", errno_text(errno));
      return;
    }
  }
}

void Output::write_foreign(std::string_view text) {
  if (traits_.terminal) {
    write(without_controls(text));
  } else {
    write(text);
  }
}

void Output::end_line() {
  if (!at_line_start_) write("\n");
}

std::string Output::styled(Style style, std::string_view text) const {
  if (!traits_.colour) return std::string(text);
  return code_of(style) + std::string(text) + "\x1b[0m";
}

std::string without_controls(std::string_view text) {
  constexpr std::string_view kReplacement = "\uFFFD";
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f;
    // U+0080 to U+009F: terminals take them for escape sequences too.
    const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (control || c1) {
      clean += kReplacement;
      i += c1 ? 1 : 0;
    } else {
      clean += text[i];
    }
  }
  return clean;
}

}  // namespace sluice
