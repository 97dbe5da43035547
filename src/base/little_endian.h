// Whole numbers in files, least significant byte first.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

// Appends the sizeof(Number) bytes of an unsigned number.
template <class Number>
void append_little_endian(std::string& bytes, Number number) {
  static_assert(std::is_unsigned_v<Number>);
  for (size_t i = 0; i < sizeof(Number); ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
}

// Takes such a number off the front of `bytes`. REQUIRES that these are as many.
template <class Number>
Number take_little_endian(std::string_view& bytes) {
  static_assert(std::is_unsigned_v<Number>);
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i)
    number |= static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(bytes[i])) << (8 * i));
  bytes.remove_prefix(sizeof(Number));
  return number;
}

}  // namespace sluice
