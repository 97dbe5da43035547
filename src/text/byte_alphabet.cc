#include "text/byte_alphabet.h"

#include <array>
#include <cstddef>

namespace sluice {
namespace {

constexpr bool stands_for_itself(unsigned code) {
  return (code >= 0x21 && code <= 0x7E) || (code >= 0xA1 && code <= 0xAC) || (code >= 0xAE && code <= 0xFF);
}

struct Alphabet {
  std::array<uint16_t, 256> code_of_byte{};
  std::array<int16_t, 512> byte_of_code{};  // -1: not of the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte_of_code) byte = -1;
  unsigned next_free_code = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned code = stands_for_itself(byte) ? byte : next_free_code++;
    alphabet.code_of_byte[byte] = static_cast<uint16_t>(code);
    alphabet.byte_of_code[code] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string byte_alphabet_character(uint8_t byte) {
  const unsigned code = kAlphabet.code_of_byte[byte];
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

std::optional<std::string> byte_alphabet_decode(std::string_view entry) {
  std::string bytes;
  for (size_t at = 0; at < entry.size();) {
    const auto lead = static_cast<unsigned char>(entry[at]);
    unsigned code = lead;
    size_t length = 1;
    if (lead >= 0x80) {  // every character of the alphabet is below U+0200: two bytes at most
      if ((lead & 0xE0) != 0xC0 || at + 1 == entry.size()) return std::nullopt;
      code = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(entry[at + 1]) & 0x3Fu);
      length = 2;
    }
    if (code >= kAlphabet.byte_of_code.size() || kAlphabet.byte_of_code[code] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte_of_code[code]));
    at += length;
  }
  return bytes;
}

}  // namespace sluice
