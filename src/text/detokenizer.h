// Ids to text while they are generated: never half a character.
#pragma once

#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace sluice {

// Turns a stream of ids into valid UTF-8. Tokens may end inside a character: its bytes are held back until it
// is whole. Bytes that can be no character come out as U+FFFD as soon as that is known, one for each longest
// start of a character, as browsers do. Special tokens come out as their text: a caller that wants them
// hidden asks Tokenizer::is_special first. One stream per object; not thread safe.
class Detokenizer {
 public:
  // REQUIRES: `tokenizer` outlives this object.
  explicit Detokenizer(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  // The text that this id completes; may be empty.
  std::string push(int32_t id);

  // What is left at the end: U+FFFD when the stream stopped inside a character, otherwise nothing. The object
  // is then as new.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::string held_;  // the start of a character, at most three bytes between calls
};

}  // namespace sluice
