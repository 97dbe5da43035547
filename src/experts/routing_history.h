// What past tokens were routed to, and which of them the present one is like.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice {

// Remembers the last tokens' routes, layer by layer. The present token is like a past one when the two were
// routed to the same experts at the same layers, rare experts telling more than common ones. What the past
// token went on to ask for, at the layers ahead and as the next token at all others, is then a guess at what
// the present one will ask for: each of the most alike past tokens votes for its experts.
//
// Likeness is kept at two ranges: kToken forgets within a few layers (what is this token?), kTopic
// within a few tokens (what is the text about?). One route costs O(tokens remembered × experts per route).
class RoutingHistory {
 public:
  static constexpr size_t kToken = 0;
  static constexpr size_t kTopic = 1;
  static constexpr size_t kRanges = 2;
  // Of one route; the weakest of a wider one are not remembered.
  static constexpr size_t kMaxRoute = 16;

  RoutingHistory(uint32_t layers, uint32_t experts_per_layer, size_t tokens);

  // The next token begins: everything before it is past.
  void begin_token();

  // The present token was routed to `experts` of `layer`, numbers within the layer. `rarity` [experts]: what
  // sharing each of them says for likeness, >= 0. REQUIRES begin_token before, and layers that ascend within
  // a token.
  void observe(uint32_t layer, std::span<const uint32_t> experts, std::span<const float> rarity);

  // Who is asked for at the next visit to `layer`: into votes[experts_per_layer], each 0 ... 1, summed over
  // the alike tokens. All 0 as long as none is known. REQUIRES observe before.
  void vote(uint32_t layer, size_t range, std::span<float> votes) const;

  // The same for a visit further ahead, added to votes times `weight`. `visits_later` counts from the next
  // visit, which is 0. Past tokens so young that they have not come as far yet do not vote.
  void add_votes(uint32_t layer, size_t range, uint32_t visits_later, float weight,
                 std::span<float> votes) const;

 private:
  struct Voter {
    uint64_t token = 0;
    float weight = 0;  // all of a range's voters add up to 1
  };

  std::span<const uint16_t> route(uint64_t token, uint32_t layer) const;
  // The tokens that a voter, or its successor, can be looked up for: [first_past(), present_).
  uint64_t first_past() const;
  void compare(uint32_t layer);
  void elect(size_t range);

  uint32_t layers_;
  size_t tokens_;                 // remembered, the present one among them
  uint64_t present_ = 0;          // the present token's number + 1; 0 before the first
  uint32_t layer_ = 0;            // that was observed last
  std::vector<uint16_t> width_;   // [layers, tokens], experts of a route
  std::vector<uint16_t> routes_;  // [layers, tokens, kMaxRoute]: a route looks at all tokens of few layers
  std::vector<float> shared_;     // [experts_per_layer], scratch of observe: rarity, 0 for all others
  std::array<std::vector<float>, kRanges> likeness_;  // each [tokens]
  std::array<std::vector<Voter>, kRanges> voters_;    // each at most kVoters after elect
};

}  // namespace sluice
