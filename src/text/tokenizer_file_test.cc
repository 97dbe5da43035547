#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/test_tokenizers.h"

namespace sluice {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::small_tokenizer_json;
using ::testing::StartsWith;

// Changes the value at a JSON pointer, and expects the file to be refused with a message that says so.
void expect_refused(const std::string& pointer, const json& value, ErrorCode code,
                    const std::string& message) {
  json file = small_tokenizer_json();
  file[json::json_pointer(pointer)] = value;
  const auto parsed = Tokenizer::parse(file.dump(), "small.json");
  ASSERT_FALSE(parsed) << pointer;
  EXPECT_EQ(parsed.error().code, code) << parsed.error().message;
  EXPECT_THAT(parsed.error().message, StartsWith("small.json: "));
  EXPECT_THAT(parsed.error().message, HasSubstr(message));
}

void expect_unsupported(const std::string& pointer, const json& value, const std::string& message) {
  expect_refused(pointer, value, ErrorCode::kUnsupported, message);
}

void expect_corrupt(const std::string& pointer, const json& value, const std::string& message) {
  expect_refused(pointer, value, ErrorCode::kCorrupt, message);
}

TEST(TokenizerFile, RefusesWhatIsNotATokenizer) {
  for (const char* text : {"", "{", "[1", "{\"a\": 1} x"}) {
    const auto parsed = Tokenizer::parse(text, "broken.json");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().message, "broken.json: not valid JSON");
  }
  const auto parsed = Tokenizer::parse("[]", "broken.json");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
}

TEST(TokenizerFile, NamesEachThingItCannotDo) {
  expect_unsupported("/normalizer", {{"type", "NFC"}}, "normalizer: \"NFC\" was found");
  expect_unsupported("/truncation", {{"max_length", 5}}, "truncation: {\"max_length\":5} was found");
  expect_unsupported("/padding", true, "padding: true was found");
  expect_unsupported("/post_processor", {{"type", "BertProcessing"}}, "post_processor: \"BertProcessing\"");
  expect_unsupported("/decoder", nullptr, "decoder: \"null\" was found, \"ByteLevel\" was expected");
  expect_unsupported("/model/type", "Unigram", "model: \"Unigram\" was found");
  expect_unsupported("/model/dropout", 0.1, "model.dropout: 0.1 was found");
  expect_unsupported("/model/ignore_merges", true, "model.ignore_merges: true was found");
  expect_unsupported("/model/byte_fallback", true, "model.byte_fallback");
  expect_unsupported("/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix: \"</w>\" was found");
  expect_unsupported("/added_tokens/0/lstrip", true, "added_tokens[0].lstrip: true was found");
}

TEST(TokenizerFile, NamesEachSplitItCannotDo) {
  const std::string steps = "/pre_tokenizer/pretokenizers";
  expect_unsupported("/pre_tokenizer", nullptr, "pre_tokenizer: \"null\" was found");
  expect_corrupt(steps, json::array(), "pre_tokenizer.pretokenizers: an array that is not empty");
  expect_unsupported(steps + "/0/type", "Digits", "pre_tokenizer.pretokenizers[0]: \"Digits\" was found");
  expect_unsupported(steps + "/0/behavior", "Removed", "[0].behavior: \"Removed\" was found");
  expect_unsupported(steps + "/0/invert", true, "[0].invert: true was found");
  expect_unsupported(steps + "/0/pattern", {{"String", " "}}, "[0].pattern: a Regex was expected");
  expect_unsupported(steps + "/0/pattern/Regex", "(a", "\"(a\" does not compile");
  expect_unsupported(steps + "/1/type", "Split", "[1]: \"Split\" was found, \"ByteLevel\" was expected");
  expect_unsupported(steps + "/1/add_prefix_space", true, "[1].add_prefix_space: true was found");
  expect_unsupported(steps + "/1/use_regex", true, "[1].use_regex: false was expected");
}

TEST(TokenizerFile, NamesEachContradiction) {
  expect_corrupt("/model/vocab", json::array(), "model.vocab: an object was expected");
  expect_corrupt("/model/vocab/zz", "x", "the id of \"zz\" is \"x\"");
  expect_corrupt("/model/vocab/zz", -1, "the id of \"zz\" is -1");
  expect_corrupt("/model/vocab/zz", 1.5, "the id of \"zz\" is 1.5");
  expect_corrupt("/model/vocab/zz", 1 << 20, "an integer below 1048576 was expected");
  expect_corrupt("/model/vocab/zz", 65, "the id 65 of");
  expect_corrupt("/model/merges", nullptr, "model.merges: an array was expected");
  expect_corrupt("/model/merges", json::array({"ab"}),
                 "model.merges[0]: [\"a\", \"b\"] or \"a b\" was expected");
  expect_corrupt("/model/merges", json::array({"a b c"}), "model.merges[0]: [\"a\", \"b\"]");
  expect_corrupt("/model/merges", json::array({json::array({"a", 1})}), "model.merges[0]: [\"a\", \"b\"]");
  expect_corrupt("/model/merges", json::array({"a b"}), "model.merges[0]: \"ab\" is not in model.vocab");
  expect_corrupt("/model/merges", json::array({"zz b"}), "model.merges[0]: \"zz\" is not in model.vocab");
  expect_corrupt("/added_tokens", 5, "added_tokens: an array was expected");
  expect_corrupt("/added_tokens/0/content", "", "added_tokens[0].content: a string that is not empty");
  expect_corrupt("/added_tokens/0/id", 7, "added_tokens[0]: the id 7 of \"<s>\" is another token's too");
  expect_corrupt("/added_tokens/0/id", nullptr, "added_tokens[0]: the id of \"<s>\" is null");
  expect_corrupt("/added_tokens/0/content", "a", "added_tokens[0]: \"a\" has the id 256 here and 97 before");
}

TEST(TokenizerFile, RefusesASpecialTokenThatTextCouldSpell) {
  json file = small_tokenizer_json();
  testing::add_merge(file, "a", "b", 258);
  file["added_tokens"].push_back({{"id", 258}, {"content", "ab"}});
  auto parsed = Tokenizer::parse(file.dump(), "small.json");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().message,
              HasSubstr("added_tokens[2]: \"ab\" is a single byte or what model.merges"));
  file["added_tokens"][2] = {{"id", 'a'}, {"content", "a"}};
  parsed = Tokenizer::parse(file.dump(), "small.json");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
}

TEST(TokenizerFile, NeedsATokenForEveryByte) {
  json file = small_tokenizer_json();
  file["model"]["vocab"].erase(byte_alphabet_character(0x0A));
  const auto parsed = Tokenizer::parse(file.dump(), "small.json");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(parsed.error().message, HasSubstr("no token for the single byte 0x0A"));
}

TEST(TokenizerFile, ReadsBothSpellingsOfAMerge) {
  json file = small_tokenizer_json();
  testing::add_merge(file, "a", "b", 258);
  file["model"]["vocab"]["abc"] = 259;
  file["model"]["merges"].push_back("ab c");
  EXPECT_THAT(testing::parse_small(file).encode("abcab"), ElementsAre(259, 258));
}

TEST(TokenizerFile, AcceptsWhatChangesNoId) {
  json file = small_tokenizer_json();
  file["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}};
  file["post_processor"] = {{"type", "ByteLevel"}, {"trim_offsets", false}};
  file["model"]["dropout"] = 0.0;
  file["model"]["continuing_subword_prefix"] = "";
  EXPECT_THAT(testing::parse_small(file).encode("a<s>"), ElementsAre('a', 256));
  file.erase("added_tokens");
  EXPECT_THAT(testing::parse_small(file).encode("<s>"), ElementsAre('<', 's', '>'));
}

TEST(TokenizerFile, DecodesEntriesOutsideTheByteAlphabetAsTheirText) {
  json file = small_tokenizer_json();
  file["model"]["vocab"]["日本"] = 258;
  const Tokenizer tokenizer = testing::parse_small(file);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{258}), "日本");
}

TEST(ByteAlphabet, IsABijection) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string character = byte_alphabet_character(static_cast<uint8_t>(byte));
    EXPECT_EQ(byte_alphabet_decode(character), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(byte_alphabet_character(' '), "Ġ");
  EXPECT_EQ(byte_alphabet_character('\n'), "Ċ");
  EXPECT_EQ(byte_alphabet_character(0xAD), "Ń");
  EXPECT_EQ(byte_alphabet_decode("日"), std::nullopt);
  EXPECT_EQ(byte_alphabet_decode(" "), std::nullopt);
  EXPECT_EQ(byte_alphabet_decode("\xC4"), std::nullopt);
}

}  // namespace
}  // namespace sluice
