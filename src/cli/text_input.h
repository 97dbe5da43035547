// Text for a subcommand: from its arguments, a file or standard input.
#pragma once

#include <string>
#include <vector>

#include "sluice/result.h"

namespace CLI {
class App;
}

namespace sluice {

struct TextInput {
  std::vector<std::string> words;  // arguments, joined by spaces; a single "-": standard input
  std::string file;                // --file; "-": standard input
  bool from_arguments() const { return !words.empty() && !(words.size() == 1 && words[0] == "-"); }
};

// Declares the positional argument and --file. `input` must live as long as `app`.
void add_text_input(CLI::App& app, TextInput& input, const std::string& description);

// The text, byte for byte. Standard input is read when nothing was named and it is not a terminal.
// kInvalidArgument when nothing was named and somebody sits at it, or both were; kNotFound and kIo of the
// file.
Result<std::string> read_text(const TextInput& input);

// A whole file, or standard input for "-".
Result<std::string> read_file_or_input(const std::string& name);

// Files and pipes usually end in a line break that nobody meant as a part of the text.
std::string without_last_line_break(std::string text);

}  // namespace sluice
