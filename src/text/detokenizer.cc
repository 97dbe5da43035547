#include "text/detokenizer.h"

#include <utility>

#include "text/utf8.h"

namespace sluice {

std::string Detokenizer::push(int32_t id) {
  held_ += tokenizer_->token_bytes(id);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Step step = utf8_step(rest);
    if (step.kind == Utf8Step::Kind::kIncomplete) break;
    text +=
        step.kind == Utf8Step::Kind::kCharacter ? rest.substr(0, step.length_bytes) : kReplacementCharacter;
    rest.remove_prefix(step.length_bytes);
  }
  held_ = std::string(rest);
  return text;
}

std::string Detokenizer::finish() {
  return std::exchange(held_, {}).empty() ? std::string() : std::string(kReplacementCharacter);
}

}  // namespace sluice
