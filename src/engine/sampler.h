// Chooses the next token of one sequence.
#pragma once

#include <cstdint>
#include <random>
#include <span>

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
  double uniform();  // [0, 1)

  SamplingOptions options_;
  std::mt19937_64 random_;
};

}  // namespace sluice
