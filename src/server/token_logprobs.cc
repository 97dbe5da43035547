#include "server/token_logprobs.h"

#include <algorithm>
#include <cmath>

#include "kernels/top_k.h"

namespace sluice {

TokenLogprobs token_logprobs(std::span<const float> logits, int32_t id, uint32_t top) {
  const double largest = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(double{logit} - largest);
  const double log_total = largest + std::log(total);
  const auto candidate = [&](int32_t token) {
    return TokenLogprobs::Candidate{token, double{logits[static_cast<size_t>(token)]} - log_total};
  };
  TokenLogprobs result{candidate(id), {}};
  if (top == 0) return result;
  for (const uint32_t token : top_k(logits, top))
    result.top.push_back(candidate(static_cast<int32_t>(token)));
  return result;
}

}  // namespace sluice
