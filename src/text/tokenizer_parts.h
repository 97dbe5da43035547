// What a tokenizer.json holds, read and checked: the tokenizer's own data. Private to this room.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/result.h"
#include "text/merge_table.h"
#include "text/special_tokens.h"
#include "text/splitter.h"

namespace sluice {

struct TokenizerParts {
  std::vector<std::string> token_bytes;  // [vocabulary] what an id decodes to
  std::vector<bool> defined;             // [vocabulary] whether the file names a token for the id
  std::vector<bool> special;             // [vocabulary] whether it is one of added_tokens
  std::unordered_map<std::string, int32_t> special_ids;
  std::array<int32_t, 256> byte_ids{};  // the token of each single byte
  SpecialTokens special_tokens;         // added_tokens with "normalized": false, searched first
  SpecialTokens normalized_tokens;      // the others, searched in what is left
  MergeTable merges;
  Splitter splitter;
};

// Reads the text of a tokenizer.json. Errors name the file and the field: kCorrupt when it contradicts
// itself, kUnsupported when it asks for something that Tokenizer does not do.
Result<std::unique_ptr<const TokenizerParts>> parse_tokenizer_file(std::string_view json,
                                                                   const std::string& file_name);

}  // namespace sluice
