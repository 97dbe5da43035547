// How probable it is that an expert is asked for at its layer's next visit: logistic regression that learns
// while it is used.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace sluice {

// Not thread safe. A visit to a layer is foretold for all of its experts at once, and is one step of
// learning. Both cost O(experts), a few nanoseconds each.
class UseModel {
 public:
  // What is known of each expert [experts], as logarithms of how it compares to an average one.
  struct Inputs {
    std::span<const float> often_lately;    // uses, forgotten within a few tokens
    std::span<const float> often;           // uses, forgotten within tens of tokens
    std::span<const float> was_used;        // 1 if the last visit asked for it, else 0
    std::span<const float> votes_of_token;  // of past tokens like the present one
    std::span<const float> votes_of_topic;  // of past tokens in a context like the present one
  };

  // `lead`: how far ahead the visit is, 0 (the next layer) to 1 (a whole token): how far what was known
  // beforehand can be trusted. Decides what the model believes before it has learned anything.
  explicit UseModel(float lead);

  // `average`: the share of a layer's experts that a token uses, in (0, 1).
  void foretell(const Inputs& inputs, float average, std::span<float> probabilities) const;

  // `foretold`: the probabilities that were given for these inputs; `came`: 1 for each expert that the visit
  // asked for, else 0.
  void learn(const Inputs& inputs, std::span<const float> foretold, std::span<const float> came);

 private:
  static constexpr size_t kTerms = 6;  // a constant and the inputs

  std::array<float, kTerms> weights_{};
  std::array<float, kTerms> squared_steps_{};  // AdaGrad: sums of squared gradients
};

}  // namespace sluice
