// Skewed routing for synthetic checkpoints: which experts are popular, and what makes a router choose them
// so.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/synth_values.h"

namespace sluice {

// For each expert the share of tokens that shall choose it: proportional to 1 / rank^skew, ranks given out at
// random, none above 0.95, together `chosen` (< experts). Skew 0: all alike.
std::vector<double> expert_popularity(uint32_t experts, uint32_t chosen, double skew,
                                      const RandomWords& random);

// Router biases under which experts of score sqrt(softplus(s)), s standard normal, are among the largest
// scores plus bias with about these probabilities: the threshold that an expert's score passes with its own
// probability becomes the same for all. Their mean is 0.
std::vector<float> bias_for_popularity(const std::vector<double>& popularity);

// A table of `chosen` different experts for each token, drawn with these weights. [vocab, chosen]
std::vector<int64_t> expert_table_for_popularity(const std::vector<double>& popularity, uint32_t vocab,
                                                 uint32_t chosen, const RandomWords& random);

}  // namespace sluice
