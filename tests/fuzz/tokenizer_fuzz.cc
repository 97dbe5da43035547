// The tokenizer under any bytes: as its file, as its regular expression, and as text to encode. The first
// byte says which.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "text/detokenizer.h"
#include "text/splitter.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using sluice::Prompt;
using sluice::Tokenizer;

void require(bool holds) {
  if (!holds) std::abort();
}

const Tokenizer& tiny_tokenizer() {
  static const Tokenizer tokenizer =
      Tokenizer::load(SLUICE_SOURCE_DIR "/models/tiny-v4/tokenizer.json").value();
  return tokenizer;
}

void check_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  require(tokenizer.decode(tokenizer.encode(text)) == text);
  const auto plain = tokenizer.encode_plain(text);
  require(tokenizer.decode(plain) == text);
  require(std::ranges::none_of(plain, [&](int32_t id) { return tokenizer.is_special(id); }));
}

// Trusted and untrusted stretches, cut at every '|'.
void check_prompt(const Tokenizer& tokenizer, std::string_view text) {
  Prompt prompt;
  bool trusted = false;
  while (!text.empty()) {
    const size_t cut = std::min(text.find('|'), text.size() - 1) + 1;
    trusted ? prompt.append_template(text.substr(0, cut)) : prompt.append_untrusted(text.substr(0, cut));
    text.remove_prefix(cut);
    trusted = !trusted;
  }
  const auto ids = tokenizer.encode(prompt);
  require(tokenizer.decode(ids) == prompt.text);
  size_t at = 0;
  for (const int32_t id : ids) {
    const size_t end = at + tokenizer.token_bytes(id).size();
    const bool touched = std::ranges::any_of(
        prompt.untrusted, [&](const auto& range) { return range.begin < end && at < range.end; });
    require(!touched || !tokenizer.is_special(id));
    at = end;
  }
}

void check_detokenizer(const Tokenizer& tokenizer, std::string_view text) {
  sluice::Detokenizer stream(tokenizer);
  for (const int32_t id : tokenizer.encode(text)) {
    const std::string delta = stream.push(id);
    require(sluice::utf8_valid_prefix_bytes(delta) == delta.size());
  }
  const bool valid = sluice::utf8_valid_prefix_bytes(text) == text.size();
  require(stream.finish().empty() || !valid);
}

// A regular expression, a NUL, and a text that it splits. Short: an expression may take long on purpose.
void check_split(std::string_view input) {
  const size_t nul = std::min(input.find('\0'), input.size());
  const std::string pattern(input.substr(0, std::min<size_t>(nul, 48)));
  std::string_view text = input.substr(std::min(nul + 1, input.size())).substr(0, 48);
  text = text.substr(0, sluice::utf8_valid_prefix_bytes(text));
  const auto splitter = sluice::Splitter::compile({pattern});
  if (!splitter) return;
  std::string joined;
  for (const std::string_view piece : splitter->split(text)) {
    require(!piece.empty());
    joined += piece;
  }
  require(joined == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.starts_with('J')) {
    if (const auto tokenizer = Tokenizer::parse(input.substr(1), "fuzz.json")) {
      check_round_trip(*tokenizer, "Hello <s> 123\xFF");
    }
  } else if (input.starts_with('R')) {
    check_split(input.substr(1));
  } else {
    check_round_trip(tiny_tokenizer(), input);
    check_prompt(tiny_tokenizer(), input);
    check_detokenizer(tiny_tokenizer(), input);
  }
  return 0;
}
