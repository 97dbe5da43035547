// Tokenizers for tests: the one of the tiny model, and a small one that a test can change.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline const Tokenizer& tiny_tokenizer() {
  static const Tokenizer tokenizer = [] {
    auto loaded = Tokenizer::load(SLUICE_SOURCE_DIR "/models/tiny-v4/tokenizer.json");
    if (!loaded) throw std::runtime_error(loaded.error().message);
    return std::move(*loaded);
  }();
  return tokenizer;
}

// A tokenizer.json with the 256 bytes (id = byte), no merges, two special tokens and one split of letters.
inline nlohmann::json small_tokenizer_json() {
  nlohmann::json vocab = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[byte_alphabet_character(static_cast<uint8_t>(byte))] = byte;
  return {
      {"added_tokens",
       {{{"id", 256}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
        {{"id", 257}, {"content", "<s>!"}, {"special", false}, {"normalized", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"},
           {"pattern", {{"Regex", "\\p{L}+"}}},
           {"behavior", "Isolated"},
           {"invert", false}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}},
  };
}

// Adds `left` + `right` -> the next free id. The parts are spelt in the byte alphabet.
inline void add_merge(nlohmann::json& file, const std::string& left, const std::string& right, int id) {
  file["model"]["vocab"][left + right] = id;
  file["model"]["merges"].push_back({left, right});
}

inline Tokenizer parse_small(const nlohmann::json& file) {
  auto parsed = Tokenizer::parse(file.dump(), "small.json");
  if (!parsed) throw std::runtime_error(parsed.error().message);
  return std::move(*parsed);
}

}  // namespace sluice::testing
