#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer_parts.h"

namespace sluice {
namespace {

using nlohmann::json;

// Above any released vocabulary; keeps a wild id from claiming memory.
constexpr int64_t kMaxVocabulary = 1 << 20;

// Member `key` of an object; null when it is absent or `object` is no object.
const json& member(const json& object, const char* key) {
  static const json absent;
  if (!object.is_object()) return absent;
  const auto found = object.find(key);
  return found == object.end() ? absent : *found;
}

std::string type_of(const json& object) {
  const json& type = member(object, "type");
  return type.is_string() ? type.get<std::string>() : std::string(object.is_null() ? "null" : "no type");
}

// Fields that change ids when they are set: each must be absent, null, false, zero or empty.
Status require_unset(const json& object, const std::string& where, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const json& value = member(object, key);
    const bool unset = value.is_null() || value == false || (value.is_number() && value == 0) ||
                       (value.is_string() && value.get_ref<const std::string&>().empty());
    if (!unset) {
      return fail(ErrorCode::kUnsupported, "{}{}: {} was found; only a tokenizer without it is supported",
                  where, key, value.dump(-1, ' ', true, json::error_handler_t::replace));
    }
  }
  return {};
}

Status require_type(const json& object, const std::string& where, const char* type) {
  if (type_of(object) == type) return {};
  return fail(ErrorCode::kUnsupported, "{}: \"{}\" was found, \"{}\" was expected", where, type_of(object),
              type);
}

// Collects the parts while it walks the file.
class FileReader {
 public:
  explicit FileReader(const json& file) : file_(file) {}

  Result<std::unique_ptr<const TokenizerParts>> read() {
    SLUICE_TRY(check_surroundings());
    SLUICE_TRY(read_vocabulary());
    SLUICE_TRY(read_merges());
    SLUICE_TRY(read_added_tokens());
    SLUICE_ASSIGN(auto patterns, read_patterns());
    auto splitter = Splitter::compile(patterns);
    if (!splitter) return tl::unexpected(std::move(splitter.error()).in("pre_tokenizer"));
    return std::make_unique<const TokenizerParts>(TokenizerParts{
        std::move(token_bytes_), std::move(defined_), std::move(special_), std::move(special_ids_), byte_ids_,
        std::move(special_tokens_), std::move(normalized_tokens_), std::move(merges_), std::move(*splitter)});
  }

 private:
  Status check_surroundings() const;
  Status read_vocabulary();
  Status read_merges();
  Status read_merge(const json& merge, size_t index);
  Status read_added_tokens();
  bool is_made_from_text(int32_t id) const;
  Status read_added_token(const json& token, const std::string& where);
  Result<std::vector<std::string>> read_patterns() const;
  Status define(const std::string& content, const json& id, const std::string& where, std::string bytes);

  const json& file_;
  std::vector<std::string> token_bytes_;
  std::vector<bool> defined_;
  std::vector<bool> special_;
  std::unordered_map<std::string, int32_t> ids_;  // vocabulary entry -> id
  std::unordered_map<std::string, int32_t> special_ids_;
  std::array<int32_t, 256> byte_ids_{};
  SpecialTokens special_tokens_;
  SpecialTokens normalized_tokens_;
  MergeTable merges_;
};

Status FileReader::check_surroundings() const {
  if (!file_.is_object()) return fail(ErrorCode::kCorrupt, "the file is not a JSON object");
  SLUICE_TRY(require_unset(file_, "", {"truncation", "padding"}));
  const json& normalizer = member(file_, "normalizer");
  const json& steps = member(normalizer, "normalizers");
  const bool empty_sequence = type_of(normalizer) == "Sequence" && steps.is_array() && steps.empty();
  if (!normalizer.is_null() && !empty_sequence) {
    return fail(ErrorCode::kUnsupported,
                "normalizer: \"{}\" was found; only a tokenizer without one is supported",
                type_of(normalizer));
  }
  // A post-processor adds tokens around a text (prompts here carry their own) or moves offsets: no id depends
  // on the two that releases use.
  const std::string post = type_of(member(file_, "post_processor"));
  if (post != "null" && post != "ByteLevel" && post != "TemplateProcessing") {
    return fail(ErrorCode::kUnsupported, "post_processor: \"{}\" was found, ByteLevel was expected", post);
  }
  SLUICE_TRY(require_type(member(file_, "decoder"), "decoder", "ByteLevel"));
  const json& model = member(file_, "model");
  SLUICE_TRY(require_type(model, "model", "BPE"));
  return require_unset(
      model, "model.",
      {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"});
}

// Gives an id its bytes. An id belongs to one entry.
Status FileReader::define(const std::string& content, const json& id, const std::string& where,
                          std::string bytes) {
  if (!id.is_number_integer() || id < 0 || id >= kMaxVocabulary) {
    return fail(ErrorCode::kCorrupt, "{}: the id of \"{}\" is {}; an integer below {} was expected", where,
                content, id.dump(-1, ' ', true, json::error_handler_t::replace), kMaxVocabulary);
  }
  const auto index = id.get<size_t>();
  if (index >= token_bytes_.size()) {
    token_bytes_.resize(index + 1);
    defined_.resize(index + 1);
    special_.resize(index + 1);
  }
  if (defined_[index]) {
    return fail(ErrorCode::kCorrupt, "{}: the id {} of \"{}\" is another token's too", where, index, content);
  }
  defined_[index] = true;
  token_bytes_[index] = std::move(bytes);
  return {};
}

Status FileReader::read_vocabulary() {
  const json& vocab = member(member(file_, "model"), "vocab");
  if (!vocab.is_object()) return fail(ErrorCode::kCorrupt, "model.vocab: an object was expected");
  for (const auto& [entry, id] : vocab.items()) {
    SLUICE_TRY(define(entry, id, "model.vocab", byte_alphabet_decode(entry).value_or(entry)));
    ids_.emplace(entry, id.get<int32_t>());
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto found = ids_.find(byte_alphabet_character(static_cast<uint8_t>(byte)));
    if (found == ids_.end()) {
      return fail(ErrorCode::kUnsupported,
                  "model.vocab: no token for the single byte 0x{:02X}; a byte-level "
                  "vocabulary with all 256 was expected",
                  byte);
    }
    byte_ids_[byte] = found->second;
  }
  return {};
}

// The two sides of a merge in either spelling, ["a", "b"] or "a b"; nothing when it is neither.
std::optional<std::pair<std::string, std::string>> merge_sides(const json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (!merge.is_string()) return std::nullopt;
  const auto& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

Status FileReader::read_merge(const json& merge, size_t index) {
  const auto sides = merge_sides(merge);
  if (!sides) {
    return fail(ErrorCode::kCorrupt, "model.merges[{}]: [\"a\", \"b\"] or \"a b\" was expected", index);
  }
  const auto& [left, right] = *sides;
  const auto id_of = [&](const std::string& entry) {
    const auto found = ids_.find(entry);
    return found == ids_.end() ? -1 : found->second;
  };
  const int32_t merged_id = id_of(left + right);
  for (const std::string& entry : {left, right, left + right}) {
    if (id_of(entry) < 0) {
      return fail(ErrorCode::kCorrupt, "model.merges[{}]: \"{}\" is not in model.vocab", index, entry);
    }
  }
  merges_.add(id_of(left), id_of(right), merged_id);
  return {};
}

Status FileReader::read_merges() {
  const json& merges = member(member(file_, "model"), "merges");
  if (!merges.is_array()) return fail(ErrorCode::kCorrupt, "model.merges: an array was expected");
  for (size_t i = 0; i < merges.size(); ++i) SLUICE_TRY(read_merge(merges[i], i));
  return {};
}

Status FileReader::read_added_token(const json& token, const std::string& where) {
  const json& content_field = member(token, "content");
  if (!content_field.is_string() || content_field.get_ref<const std::string&>().empty()) {
    return fail(ErrorCode::kCorrupt, "{}.content: a string that is not empty was expected", where);
  }
  const auto& content = content_field.get_ref<const std::string&>();
  SLUICE_TRY(require_unset(token, where + ".", {"single_word", "lstrip", "rstrip"}));
  const json& id = member(token, "id");
  const auto in_vocabulary = ids_.find(content);
  if (in_vocabulary == ids_.end()) {
    SLUICE_TRY(define(content, id, where, content));
    ids_.emplace(content, id.get<int32_t>());
  } else if (id != in_vocabulary->second) {
    return fail(ErrorCode::kCorrupt, "{}: \"{}\" has the id {} here and {} before", where, content,
                id.dump(-1, ' ', true, json::error_handler_t::replace), in_vocabulary->second);
  }
  const auto index = id.get<int32_t>();
  if (is_made_from_text(index)) {
    return fail(ErrorCode::kUnsupported,
                "{}: \"{}\" is a single byte or what model.merges make of text, so that "
                "anyone could type it; a token that merges do not reach was expected",
                where, content);
  }
  special_[static_cast<size_t>(index)] = true;
  token_bytes_[static_cast<size_t>(index)] = content;
  special_ids_.emplace(content, index);
  (member(token, "normalized") == true ? normalized_tokens_ : special_tokens_).add(content, index);
  return {};
}

bool FileReader::is_made_from_text(int32_t id) const {
  return std::ranges::find(byte_ids_, id) != byte_ids_.end() || merges_.makes(id);
}

Status FileReader::read_added_tokens() {
  const json& tokens = member(file_, "added_tokens");
  if (tokens.is_null()) return {};
  if (!tokens.is_array()) return fail(ErrorCode::kCorrupt, "added_tokens: an array was expected");
  for (size_t i = 0; i < tokens.size(); ++i) {
    SLUICE_TRY(read_added_token(tokens[i], fmt::format("added_tokens[{}]", i)));
  }
  return {};
}

// The regular expression of one Split step.
Result<std::string> read_split(const json& split, const std::string& where) {
  SLUICE_TRY(require_type(split, where, "Split"));
  const json& behaviour = member(split, "behavior");
  if (behaviour != "Isolated") {
    return fail(ErrorCode::kUnsupported, "{}.behavior: {} was found, \"Isolated\" was expected", where,
                behaviour.dump(-1, ' ', true, json::error_handler_t::replace));
  }
  SLUICE_TRY(require_unset(split, where + ".", {"invert"}));
  const json& regex = member(member(split, "pattern"), "Regex");
  if (regex.is_string()) return regex.get<std::string>();
  return fail(ErrorCode::kUnsupported, "{}.pattern: a Regex was expected", where);
}

Result<std::vector<std::string>> FileReader::read_patterns() const {
  const json& pre_tokenizer = member(file_, "pre_tokenizer");
  SLUICE_TRY(require_type(pre_tokenizer, "pre_tokenizer", "Sequence"));
  const json& steps = member(pre_tokenizer, "pretokenizers");
  if (!steps.is_array() || steps.empty()) {
    return fail(ErrorCode::kCorrupt, "pre_tokenizer.pretokenizers: an array that is not empty was expected");
  }
  std::vector<std::string> patterns;
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string where = fmt::format("pre_tokenizer.pretokenizers[{}]", i);
    if (i + 1 == steps.size()) {
      SLUICE_TRY(require_type(steps[i], where, "ByteLevel"));
      SLUICE_TRY(require_unset(steps[i], where + ".", {"add_prefix_space"}));
      // Absent means true to the library that writes these files.
      if (member(steps[i], "use_regex") != false) {
        return fail(ErrorCode::kUnsupported, "{}.use_regex: false was expected", where);
      }
      break;
    }
    SLUICE_ASSIGN(std::string pattern, read_split(steps[i], where));
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

}  // namespace

Result<std::unique_ptr<const TokenizerParts>> parse_tokenizer_file(std::string_view text,
                                                                   const std::string& file_name) {
  const json file = json::parse(text, nullptr, false);
  if (file.is_discarded()) return fail(ErrorCode::kCorrupt, "{}: not valid JSON", file_name);
  auto parts = FileReader(file).read();
  if (!parts) return tl::unexpected(std::move(parts.error()).in(file_name));
  return parts;
}

}  // namespace sluice
