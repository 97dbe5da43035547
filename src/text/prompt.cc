#include "text/prompt.h"

namespace sluice {

void Prompt::append_template(std::string_view piece) {
  text += piece;
}

void Prompt::append_untrusted(std::string_view piece) {
  if (piece.empty()) return;
  const size_t begin = text.size();
  text += piece;
  if (!untrusted.empty() && untrusted.back().end == begin) {
    untrusted.back().end = text.size();
  } else {
    untrusted.push_back({begin, text.size()});
  }
}

}  // namespace sluice
