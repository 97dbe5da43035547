// The byte alphabet of byte-level BPE: 256 printable characters that stand for the 256 bytes, so that a
// vocabulary of text can hold any bytes. Bytes that are printable in Latin-1 stand for themselves; the others
// take U+0100, U+0101, ... in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// The character of a byte, as UTF-8 (one or two bytes).
std::string byte_alphabet_character(uint8_t byte);

// The bytes that a vocabulary entry stands for; nothing when a character is not of the alphabet.
std::optional<std::string> byte_alphabet_decode(std::string_view entry);

}  // namespace sluice
