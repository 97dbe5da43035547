// Text to token ids and back: the byte-level BPE of a HuggingFace tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"
#include "text/prompt.h"

namespace sluice {

struct TokenizerParts;

// Gives the ids that the tokenizers library gives for the same file, for any valid UTF-8. Bytes that are not
// valid UTF-8 are pieces of their own, so decode(encode(x)) == x holds for all bytes. One known difference:
// U+180E counts as white space here, as PCRE2 has it. "Special tokens" are all of the file's added_tokens.
// What the file may ask for: a Sequence of Split(Regex, Isolated) steps closed by ByteLevel, a BPE model with
// a token for every byte.
//
// Const and safe to use from any thread; movable (a moved-from tokenizer may only be destroyed or assigned).
// Encoding is O(n log n) in the text and needs about 20 times its longest piece as working memory.
// REQUIRES of every encode: less than 4 GiB of text.
class Tokenizer {
 public:
  // Reads the text of a tokenizer.json; `file_name` goes into messages. kCorrupt or kUnsupported, naming the
  // field.
  static Result<Tokenizer> parse(std::string_view json, const std::string& file_name);

  // Reads the file; kNotFound or kIo with its path, or parse's errors. At most 256 MiB.
  static Result<Tokenizer> load(const std::filesystem::path& path);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Special tokens in the text are recognised: leftmost first, the longest at a place.
  std::vector<int32_t> encode(std::string_view text) const;

  // Special tokens in the text are plain text: no special id comes out, whatever the text says.
  std::vector<int32_t> encode_plain(std::string_view text) const;

  // Special tokens are recognised only where none of their bytes is untrusted. What lies between two of them
  // is split and merged as one run, so a prompt that forges nothing gives the ids of encode(prompt.text).
  std::vector<int32_t> encode(const Prompt& prompt) const;

  // The bytes of the tokens, one after the other; special tokens as their text. May be cut within a
  // character, as tokens may; see Detokenizer. An id without a token gives U+FFFD.
  std::string decode(std::span<const int32_t> ids) const;

  // One token of decode(); valid as long as the tokenizer.
  std::string_view token_bytes(int32_t id) const;

  // One more than the largest id of the file. A model may have more: its matrix is often padded.
  size_t vocab_size() const;

  // The id of a special token by its text; nothing when the file has no such token.
  std::optional<int32_t> special_id(std::string_view content) const;

  bool is_special(int32_t id) const;

 private:
  explicit Tokenizer(std::unique_ptr<const TokenizerParts> parts);

  // Splits and merges `text` without a look at special tokens; appends the ids.
  void encode_run(std::string_view text, std::vector<int32_t>& ids) const;
  std::vector<int32_t> encode_except(std::string_view text, std::span<const TextRange> untrusted) const;

  std::unique_ptr<const TokenizerParts> parts_;
};

}  // namespace sluice
