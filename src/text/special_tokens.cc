#include "text/special_tokens.h"

namespace sluice {

const uint32_t* SpecialTokens::child(uint32_t node, char byte) const {
  for (const auto& [key, index] : nodes_[node].children) {
    if (key == byte) return &index;
  }
  return nullptr;
}

void SpecialTokens::add(std::string_view content, int32_t id) {
  starts_[static_cast<unsigned char>(content[0])] = true;
  uint32_t node = 0;
  for (const char byte : content) {
    if (const uint32_t* next = child(node, byte)) {
      node = *next;
      continue;
    }
    const auto fresh = static_cast<uint32_t>(nodes_.size());
    nodes_[node].children.emplace_back(byte, fresh);
    nodes_.emplace_back();
    node = fresh;
  }
  nodes_[node].id = id;
}

std::optional<SpecialTokens::Match> SpecialTokens::longest_at(std::string_view text) const {
  std::optional<Match> best;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const uint32_t* next = child(node, text[i]);
    if (next == nullptr) break;
    node = *next;
    if (nodes_[node].id >= 0) best = Match{i + 1, nodes_[node].id};
  }
  return best;
}

}  // namespace sluice
