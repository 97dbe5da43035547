// UTF-8, one step at a time: where characters end and what is not a character.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

// U+FFFD, what stands for bytes that are no character.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

struct Utf8Step {
  enum class Kind {
    kCharacter,   // a whole, valid character
    kInvalid,     // no character begins like this, whatever follows
    kIncomplete,  // the text ends inside what may still become a character
  };
  Kind kind = Kind::kCharacter;
  size_t length_bytes = 0;  // of the character, of the invalid start (at most 3), or of all that is there
};

// Looks at the start of `text`. REQUIRES: `text` is not empty. Valid is what Unicode's table 3-7 lists: no
// overlong forms, no surrogates, nothing above U+10FFFF.
Utf8Step utf8_step(std::string_view text);

// Length in bytes of the longest prefix of `text` that is whole, valid characters.
size_t utf8_valid_prefix_bytes(std::string_view text);

}  // namespace sluice
