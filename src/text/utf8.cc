#include "text/utf8.h"

namespace sluice {
namespace {

// What may follow a lead byte: how many bytes, and the range of the first of them (the others are 80..BF).
struct Continuation {
  size_t count = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  bool valid = true;
};

Continuation continuation_of(unsigned char lead) {
  if (lead < 0x80) return {.count = 0};
  if (lead < 0xC2) return {.valid = false};
  if (lead < 0xE0) return {.count = 1};
  if (lead == 0xE0) return {.count = 2, .low = 0xA0};
  if (lead == 0xED) return {.count = 2, .high = 0x9F};
  if (lead < 0xF0) return {.count = 2};
  if (lead == 0xF0) return {.count = 3, .low = 0x90};
  if (lead < 0xF4) return {.count = 3};
  if (lead == 0xF4) return {.count = 3, .high = 0x8F};
  return {.valid = false};
}

}  // namespace

Utf8Step utf8_step(std::string_view text) {
  const Continuation follow = continuation_of(static_cast<unsigned char>(text[0]));
  if (!follow.valid) return {Utf8Step::Kind::kInvalid, 1};
  unsigned char low = follow.low;
  unsigned char high = follow.high;
  for (size_t i = 1; i <= follow.count; ++i) {
    if (i == text.size()) return {Utf8Step::Kind::kIncomplete, i};
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < low || byte > high) return {Utf8Step::Kind::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Utf8Step::Kind::kCharacter, follow.count + 1};
}

size_t utf8_valid_prefix_bytes(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.kind != Utf8Step::Kind::kCharacter) break;
    at += step.length_bytes;
  }
  return at;
}

}  // namespace sluice
