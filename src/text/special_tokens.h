// Finds special tokens in text: the longest one at a place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

// A trie of token texts. Filled once; then const and safe to read from any thread.
class SpecialTokens {
 public:
  struct Match {
    size_t length_bytes = 0;
    int32_t id = 0;
  };

  SpecialTokens() : nodes_(1) {}

  // REQUIRES: `content` is not empty. The last id given for a content counts.
  void add(std::string_view content, int32_t id);

  bool empty() const { return nodes_.size() == 1; }

  // Whether any token starts with this byte: lets a scan skip most places.
  bool may_start(char byte) const { return starts_[static_cast<unsigned char>(byte)]; }

  // The longest token that `text` starts with; nothing when there is none.
  std::optional<Match> longest_at(std::string_view text) const;

 private:
  struct Node {
    std::vector<std::pair<char, uint32_t>> children;  // next byte -> index in nodes_
    int32_t id = -1;                                  // of the token that ends here, or -1
  };
  const uint32_t* child(uint32_t node, char byte) const;

  std::vector<Node> nodes_;  // [0] is the root
  std::array<bool, 256> starts_{};
};

}  // namespace sluice
