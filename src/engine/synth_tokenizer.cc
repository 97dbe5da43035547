#include "engine/synth_tokenizer.h"

#include <nlohmann/json.hpp>

#include "text/byte_alphabet.h"

namespace sluice {
namespace {

using nlohmann::json;

constexpr const char* kSpecial[] = {"<｜begin▁of▁sentence｜>",
                                    "<｜end▁of▁sentence｜>",
                                    "<｜▁pad▁｜>",
                                    "<｜User｜>",
                                    "<｜Assistant｜>",
                                    "<think>",
                                    "</think>",
                                    "｜DSML｜"};

// A word of at least two syllables that no other number has.
std::string made_up_word(uint32_t number) {
  constexpr std::string_view kConsonants = "bdfghjklmnprstvz";
  constexpr std::string_view kVowels = "aeiou";
  std::string word = byte_alphabet_character(' ');
  for (int syllables = 0; syllables < 2 || number > 0; ++syllables) {
    word += kConsonants[number % kConsonants.size()];
    number /= static_cast<uint32_t>(kConsonants.size());
    word += kVowels[number % kVowels.size()];
    number /= static_cast<uint32_t>(kVowels.size());
  }
  return word;
}

json pre_tokenizer() {
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "\\s?\\S+|\\s+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
}

}  // namespace

std::string synth_tokenizer_json(uint32_t vocab) {
  json words = json::object();
  json added = json::array();
  uint32_t id = 0;
  for (const char* content : kSpecial) {
    words[content] = id;
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
    ++id;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    words[byte_alphabet_character(static_cast<uint8_t>(byte))] = id++;
  }
  for (uint32_t number = 0; id < vocab; ++number) words[made_up_word(number)] = id++;
  const json decoder = {
      {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  return json{{"version", "1.0"},
              {"added_tokens", added},
              {"normalizer", nullptr},
              {"pre_tokenizer", pre_tokenizer()},
              {"post_processor", nullptr},
              {"decoder", decoder},
              {"model", {{"type", "BPE"}, {"vocab", words}, {"merges", json::array()}}}}
             .dump(1) +
         "\n";
}

}  // namespace sluice
