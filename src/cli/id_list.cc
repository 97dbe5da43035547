#include "cli/id_list.h"

#include <charconv>

#include "base/fail.h"

namespace sluice {

Result<std::vector<int32_t>> parse_ids(std::string_view text, size_t vocab_size) {
  constexpr std::string_view kBetween = " \t\r\n,[]";
  std::vector<int32_t> ids;
  while (true) {
    const size_t begin = text.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return ids;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    text.remove_prefix(word.size());
    int32_t id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id < 0) {
      return fail(ErrorCode::kInvalidArgument, "\"{}\" is not a token id", word);
    }
    if (static_cast<size_t>(id) >= vocab_size) {
      return fail(ErrorCode::kInvalidArgument, "{} is no token of this model: it has {}", id, vocab_size);
    }
    ids.push_back(id);
  }
}

}  // namespace sluice
