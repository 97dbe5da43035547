#include "cli/plain_lines.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/fail.h"

namespace sluice {

Result<TypedLine> PlainLines::read(std::string_view prompt) {
  if (isatty(descriptor_) == 1 && prompts_.traits().terminal) prompts_.write(prompt);
  while (true) {
    if (const size_t end = held_.find('\n'); end != std::string::npos) {
      std::string line = held_.substr(0, end);
      held_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return TypedLine{TypedLine::Kind::kLine, std::move(line)};
    }
    if (!wait_for_input(descriptor_, interrupts_)) {
      return TypedLine{TypedLine::Kind::kInterrupted, std::exchange(held_, {})};
    }
    std::array<char, 4096> block;
    const ssize_t count = ::read(descriptor_, block.data(), block.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return fail(ErrorCode::kIo, "cannot read standard input: {}", errno_text(errno));
    if (count == 0 && held_.empty()) return TypedLine{TypedLine::Kind::kEnd, {}};
    if (count == 0) return TypedLine{TypedLine::Kind::kLine, std::exchange(held_, {})};
    held_.append(block.data(), static_cast<size_t>(count));
  }
}

}  // namespace sluice
