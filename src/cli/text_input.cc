#include "cli/text_input.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>

#include "base/fail.h"
#include "base/file.h"

namespace sluice {
namespace {

constexpr uint64_t kLimitBytes = uint64_t{1} << 30;

// Everything that comes until the end, from a pipe or a terminal.
Result<std::string> read_stream(int descriptor, const std::string& name) {
  std::string text;
  std::array<char, 65536> block;
  while (true) {
    const ssize_t count = read(descriptor, block.data(), block.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorCode::kIo, "cannot read {}: {}", name, errno_text(errno));
    text.append(block.data(), static_cast<size_t>(count));
    if (text.size() > kLimitBytes) return fail(ErrorCode::kInvalidArgument, "{} holds more than 1 GiB", name);
  }
}

}  // namespace

void add_text_input(CLI::App& app, TextInput& input, const std::string& description) {
  app.add_option("text", input.words, description)->type_name("");
  app.add_option("-f,--file", input.file, "read it from a file; - is standard input")->type_name("PATH");
}

Result<std::string> read_file_or_input(const std::string& name) {
  if (name == "-") return read_stream(STDIN_FILENO, "standard input");
  std::error_code error;
  // What a shell's <(command) names is a pipe.
  if (!std::filesystem::is_fifo(name, error)) return read_text_file(name, kLimitBytes);
  SLUICE_ASSIGN(const File pipe, File::open_read(name));
  return read_stream(pipe.descriptor(), name);
}

Result<std::string> read_text(const TextInput& input) {
  if (!input.file.empty() && !input.words.empty()) {
    return fail(ErrorCode::kInvalidArgument, "a text and --file {} were both given: choose one", input.file);
  }
  if (!input.file.empty()) return read_file_or_input(input.file);
  if (input.from_arguments()) {
    std::string text = input.words.front();
    for (size_t i = 1; i < input.words.size(); ++i) text += " " + input.words[i];
    return text;
  }
  if (input.words.empty() && isatty(STDIN_FILENO) == 1) {
    return fail(ErrorCode::kInvalidArgument,
                "there is no text: give it as an argument, with --file, or through a pipe");
  }
  return read_file_or_input("-");
}

std::string without_last_line_break(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

}  // namespace sluice
