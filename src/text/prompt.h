// A prompt that knows which of its bytes came from outside, so that nobody can forge a turn by typing one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TextRange&) const = default;
};

// Text for the model. Special tokens are recognised only where no byte of them is untrusted
// (Tokenizer::encode(const Prompt&)); the text itself is the same either way.
struct Prompt {
  std::string text;
  std::vector<TextRange> untrusted;  // in order, disjoint, none empty

  // Appends text of the chat format's own: its special tokens count.
  void append_template(std::string_view piece);

  // Appends text from anyone else: users, tools, files, earlier output. Special tokens in it are plain text.
  void append_untrusted(std::string_view piece);
};

}  // namespace sluice
