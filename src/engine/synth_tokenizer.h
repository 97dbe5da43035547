// A tokenizer for checkpoints that were never trained: any text becomes ids, any id becomes text.
#pragma once

#include <cstdint>
#include <string>

namespace sluice {

// The fewest ids: the chat format's words and all bytes.
inline constexpr uint32_t kLeastSynthVocabulary = 512;

// The text of a tokenizer.json with `vocab` (>= kLeastSynthVocabulary) ids. Text becomes one id a byte; the
// ids above are made-up words, which only the model can say.
std::string synth_tokenizer_json(uint32_t vocab);

}  // namespace sluice
