// Chooses the next token of one sequence.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "sluice/result.h"
#include "sluice/sampling.h"

namespace sluice {

// kInvalidArgument, naming the option, for a value outside its range.
Status check_sampling(const SamplingOptions& options);

// One per generation; not thread safe.
class Sampler {
 public:
  // REQUIRES check_sampling(options).
  explicit Sampler(const SamplingOptions& options) : options_(options), random_(options.seed) {}

  // The id of the next token. Logits that are NaN are never chosen; when all are, kInternal.
  Result<int32_t> sample(std::span<const float> logits);

 private:
  // Fills weights_: the best logit's is 1.
  void weigh(std::span<const float> logits, float best);
  double weight_of(const std::vector<uint32_t>& ids) const;
  // Of ids, the best first, the fewest that reach `wanted` weight.
  void keep_leading(double wanted, std::vector<uint32_t>& ids) const;
  // The fewest ids that reach top_p of all weight, the best first.
  std::vector<uint32_t> nucleus(std::span<const float> logits) const;
  // One of those that min_p leaves, the best among them.
  template <class Ids>
  int32_t draw(const Ids& ids);
  double uniform();  // [0, 1)

  SamplingOptions options_;
  std::mt19937_64 random_;
  std::vector<double> weights_;  // by id, proportional to probabilities
};

}  // namespace sluice
