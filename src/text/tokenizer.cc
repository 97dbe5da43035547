#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

namespace sluice {
namespace {

constexpr uint64_t kFileLimitBytes = uint64_t{256} << 20;

// A stretch of a text: either plain, or one special token.
struct Segment {
  TextRange range;
  int32_t special_id = -1;  // -1: plain
};

// Cuts the special tokens out of one plain range. `untrusted` is in order; no token is found across it.
void cut_special(std::string_view text, TextRange range, const SpecialTokens& tokens,
                 std::span<const TextRange> untrusted, std::vector<Segment>& into) {
  size_t plain_begin = range.begin;
  size_t at = range.begin;
  auto barrier = untrusted.begin();
  while (at < range.end) {
    while (barrier != untrusted.end() && barrier->end <= at) ++barrier;
    const bool barred = barrier != untrusted.end();
    if (barred && barrier->begin <= at) {
      at = barrier->end;
      continue;
    }
    const size_t limit = barred ? std::min(range.end, barrier->begin) : range.end;
    while (at < limit && !tokens.may_start(text[at])) ++at;
    const auto match = tokens.longest_at(text.substr(at, limit - at));
    if (!match) {
      ++at;
      continue;
    }
    if (at > plain_begin) into.push_back({{plain_begin, at}});
    into.push_back({{at, at + match->length_bytes}, match->id});
    at += match->length_bytes;
    plain_begin = at;
  }
  if (range.end > plain_begin) into.push_back({{plain_begin, range.end}});
}

std::vector<Segment> cut_all_special(std::string_view text, const TokenizerParts& parts,
                                     std::span<const TextRange> untrusted) {
  std::vector<Segment> segments{{{0, text.size()}}};
  for (const SpecialTokens* tokens : {&parts.special_tokens, &parts.normalized_tokens}) {
    if (tokens->empty()) continue;
    std::vector<Segment> finer;
    for (const Segment& segment : segments) {
      if (segment.special_id >= 0) {
        finer.push_back(segment);
        continue;
      }
      const auto first = std::ranges::lower_bound(untrusted, segment.range.begin, {}, &TextRange::end);
      cut_special(text, segment.range, *tokens, {first, untrusted.end()}, finer);
    }
    segments = std::move(finer);
  }
  return segments;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::parse(std::string_view json, const std::string& file_name) {
  SLUICE_ASSIGN(auto parts, parse_tokenizer_file(json, file_name));
  return Tokenizer(std::move(parts));
}

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& path) {
  SLUICE_ASSIGN(const std::string text, read_text_file(path, kFileLimitBytes));
  return parse(text, path.string());
}

void Tokenizer::encode_run(std::string_view text, std::vector<int32_t>& ids) const {
  const auto byte_id = [this](char byte) { return parts_->byte_ids[static_cast<unsigned char>(byte)]; };
  MergeTable::Scratch scratch;
  std::vector<int32_t> symbols;
  while (!text.empty()) {
    const size_t valid_bytes = utf8_valid_prefix_bytes(text);
    for (const std::string_view piece : parts_->splitter.split(text.substr(0, valid_bytes))) {
      symbols.resize(piece.size());
      std::ranges::transform(piece, symbols.begin(), byte_id);
      parts_->merges.merge(symbols, scratch, ids);
    }
    text.remove_prefix(valid_bytes);
    if (text.empty()) break;
    const size_t invalid_bytes = utf8_step(text).length_bytes;
    std::ranges::transform(text.substr(0, invalid_bytes), std::back_inserter(ids), byte_id);
    text.remove_prefix(invalid_bytes);
  }
}

std::vector<int32_t> Tokenizer::encode_except(std::string_view text,
                                              std::span<const TextRange> untrusted) const {
  std::vector<int32_t> ids;
  for (const Segment& segment : cut_all_special(text, *parts_, untrusted)) {
    if (segment.special_id >= 0) {
      ids.push_back(segment.special_id);
    } else {
      encode_run(text.substr(segment.range.begin, segment.range.end - segment.range.begin), ids);
    }
  }
  return ids;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  return encode_except(text, {});
}

std::vector<int32_t> Tokenizer::encode_plain(std::string_view text) const {
  std::vector<int32_t> ids;
  encode_run(text, ids);
  return ids;
}

std::vector<int32_t> Tokenizer::encode(const Prompt& prompt) const {
  return encode_except(prompt.text, prompt.untrusted);
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  const auto index = static_cast<size_t>(id);
  if (id < 0 || index >= parts_->defined.size() || !parts_->defined[index]) return kReplacementCharacter;
  return parts_->token_bytes[index];
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (const int32_t id : ids) bytes += token_bytes(id);
  return bytes;
}

size_t Tokenizer::vocab_size() const {
  return parts_->token_bytes.size();
}

std::optional<int32_t> Tokenizer::special_id(std::string_view content) const {
  const auto found = parts_->special_ids.find(std::string(content));
  if (found == parts_->special_ids.end()) return std::nullopt;
  return found->second;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < parts_->special.size() &&
         parts_->special[static_cast<size_t>(id)];
}

}  // namespace sluice
