// Cuts text into the pieces that BPE merges within: the tokenizer file's own regular expressions, in
// sequence.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// A sequence of splits with "Isolated" behaviour: each cuts every piece of the one before into its matches
// and what lies between them. A piece is a subject of its own, so that look-around never sees its neighbours.
// Const after compile() and safe to use from any thread; movable.
class Splitter {
 public:
  // kUnsupported, quoting the pattern and PCRE2's reason, when a pattern does not compile.
  static Result<Splitter> compile(const std::vector<std::string>& patterns);

  Splitter(Splitter&&) noexcept;
  Splitter& operator=(Splitter&&) noexcept;
  ~Splitter();

  // The pieces of `text`, in order, none empty; together they are `text`. REQUIRES: `text` is valid UTF-8.
  // Where a search exceeds PCRE2's limits, the rest of that piece stays whole: still the same bytes.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Pattern;
  explicit Splitter(std::vector<std::unique_ptr<Pattern>> patterns);

  std::vector<std::unique_ptr<Pattern>> patterns_;
};

}  // namespace sluice
