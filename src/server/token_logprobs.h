// From logits to log-probabilities.
#pragma once

#include <span>

#include "server/answer.h"

namespace sluice {

// log softmax of `logits` [vocabulary] for `id` and for the `top` likeliest tokens. REQUIRES id is one of
// them.
TokenLogprobs token_logprobs(std::span<const float> logits, int32_t id, uint32_t top);

}  // namespace sluice
